"""An app of many versions and its releases. All versions are one component, in which one text is overwritten."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chat
import manifests

# What the guest `version` has to be overwritten.
UNCHANGED = "VERSION-0000000000"


def version(number: int) -> str:
    """The text of a version that always answers."""
    return f"VERSION-{number:010}"


def broken(number: int) -> str:
    """The text of a version that fails when a message tells it to."""
    return f"BROKEN--{number:010}"


def overwritten(component: bytes, text: str) -> bytes:
    """The component as the version of this text."""
    assert component.count(UNCHANGED.encode()) == 1 and len(text) == len(UNCHANGED)
    return component.replace(UNCHANGED.encode(), text.encode())


def remainder(release: str, connection: str) -> int:
    """The number of a connection, from 0 to 9,999, that decides whether a canary takes it."""
    return int.from_bytes(hashlib.sha256((release + connection).encode()).digest()) % 10_000


def percent(hundredths: int) -> str:
    """A percentage as the command line takes it."""
    return f"{hundredths // 100}.{hundredths % 100:02}"


@dataclass
class Versions:
    """The app's folder, and the commands on its releases."""

    folder: Path
    component: bytes
    run: Callable[..., subprocess.CompletedProcess[str]]
    # The private keys that releases are signed with.
    keys: list[Path] = field(default_factory=list)
    # Where releases are, when that is not in the app's folder.
    place: tuple[str | Path, ...] = ()

    @property
    def store(self) -> Path:
        """The folder of the releases."""
        return self.folder / ".tidegate" / "releases"

    @property
    def pointer(self) -> Path:
        return self.store / "pointer.json"

    def envelope(self, release: str) -> Path:
        return self.store / "releases" / f"{release}.json"

    def describe(self, *tables: str, more: str = "") -> None:
        """Writes the manifest, with these tables of keys, and `more` of the route and after it."""
        manifest = manifests.VERSIONS.format(keys="\n".join(tables), more=more)
        (self.folder / "tidegate.toml").write_text(manifest)

    def build(self, text: str) -> None:
        """Makes the app's component the version of this text."""
        new = self.folder / "new.wasm"
        new.write_bytes(overwritten(self.component, text))
        new.replace(self.folder / "version.wasm")

    def create(self, text: str) -> str:
        """Publishes the version of this text, and returns the release's id."""
        self.build(text)
        return self.do("create")["id"]

    def do(self, command: str, *arguments: str | Path) -> Any:
        """Runs a command on releases, and returns the JSON that it prints."""
        done = self.attempt(command, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refuse(self, command: str, *arguments: str | Path) -> str:
        """Runs a command that must be refused, and returns what it says."""
        done = self.attempt(command, *arguments)
        assert done.returncode == 1 and done.stdout == "", (done.returncode, done.stdout, done.stderr)
        return done.stderr

    def attempt(self, command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.run(*self.line(command, *arguments))

    def line(self, command: str, *arguments: str | Path) -> list[str | Path]:
        """The arguments of a command on releases."""
        if command == "create":
            of = [self.folder, *(part for key in self.keys for part in ("--key", key))]
        else:
            of = ["--app", self.folder]
        return ["release", command, *arguments, *of, *self.place, "--json"]

    def active(self) -> str | None:
        """The release that is to run for every connection."""
        return self.do("status")["pointer"].get("active")

    def artifacts(self, *releases: str) -> set[str]:
        """The digests of what these releases have hosts load."""
        documents = [self.do("show", release)["document"] for release in releases]
        return {
            artifact["digest"]
            for document in documents
            for component in document["components"].values()
            for artifact in component["artifacts"].values()
        }


class Client(chat.Client):
    """A connection to the app. It numbers its messages, and holds that each is answered once, by one version."""

    def __init__(self, url: str, *token: str) -> None:
        super().__init__(url, *token)
        self.sequence = 0
        self.connection = ""

    def ask(self, behaviour: str = "") -> str:
        """The version that answers a message, in the note that it sends as in its reply."""
        self.tell(behaviour)
        return self.hear()

    def hear(self) -> str:
        """The version that answers the last message."""
        note, reply = self.receive(), self.receive()
        assert (note["kind"], reply["kind"]) == ("note", "reply"), (note, reply)
        assert note["sequence"] == reply["sequence"] == self.sequence
        assert note["version"] == reply["version"]
        self.connection = reply["connection"]
        return reply["version"]

    def fail(self, behaviour: str) -> str:
        """What the client is told when a version fails as it is told to.

        Before it, processes that have slept may answer with a version that does not fail.
        """
        end = time.monotonic() + chat.PATIENCE
        while True:
            self.tell(behaviour)
            said = self.receive()
            if "kind" not in said:
                # MiniStack sends what the function reported.
                return said.get("message") or said["errorMessage"]
            self.receive(kind="reply", sequence=self.sequence)
            assert time.monotonic() < end, f"no version failed when it was told to `{behaviour}`"

    def tell(self, behaviour: str) -> None:
        self.sequence += 1
        self.socket.send(f"{self.sequence} {behaviour}".strip())


def answers(clients: Iterable[Client]) -> list[str]:
    """The version that answers each client."""
    return [client.ask() for client in clients]


def table(printed: str) -> dict[str, Any]:
    """What `tidegate keys new` prints for the manifest."""
    return tomllib.loads(printed)["keys"]
