"""An app with many versions, and its releases. All versions are one component in which one text is overwritten."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chat
import errors
import manifests

# Text in the guest `version` that is overwritten.
UNCHANGED = "VERSION-0000000000"


def version(number: int) -> str:
    """Returns the text of a version that always answers."""
    return f"VERSION-{number:010}"


def broken(number: int) -> str:
    """Returns the text of a version that fails if a message asks for a failure."""
    return f"BROKEN--{number:010}"


def overwritten(component: bytes, text: str) -> bytes:
    """Returns the component with its version text replaced."""
    assert component.count(UNCHANGED.encode()) == 1 and len(text) == len(UNCHANGED)
    return component.replace(UNCHANGED.encode(), text.encode())


def remainder(release: str, connection: str) -> int:
    """Returns a connection's bucket, 0 to 9,999. A canary serves those below its share in 0.01 %."""
    return int.from_bytes(hashlib.sha256((release + connection).encode()).digest()) % 10_000


def percent(hundredths: int) -> str:
    """Formats hundredths of a percent for the command line."""
    return f"{hundredths // 100}.{hundredths % 100:02}"


@dataclass
class VersionedApp:
    """An app's folder, and the commands that manage its releases."""

    folder: Path
    component: bytes
    run: Callable[..., subprocess.CompletedProcess[str]]
    # Files of the private keys that sign releases.
    keys: list[Path] = field(default_factory=list)
    # Command-line arguments for a store other than the one in the app's folder.
    store_arguments: tuple[str | Path, ...] = ()

    @property
    def store(self) -> Path:
        """Folder of the releases."""
        return self.folder / ".tidegate" / "releases"

    @property
    def pointer(self) -> Path:
        return self.store / "pointer.json"

    def envelope(self, release: str) -> Path:
        return self.store / "releases" / f"{release}.json"

    def write_manifest(self, *tables: str, more: str = "") -> None:
        """Writes the manifest with these tables of keys. `more` is added to the route's table."""
        manifest = manifests.VERSIONS.format(keys="\n".join(tables), more=more)
        (self.folder / "tidegate.toml").write_text(manifest)

    def set_version(self, text: str) -> None:
        """Replaces the app's component by the version with this text."""
        new = self.folder / "new.wasm"
        new.write_bytes(overwritten(self.component, text))
        new.replace(self.folder / "version.wasm")

    def create(self, text: str) -> str:
        """Publishes the version with this text, and returns the release's id."""
        self.set_version(text)
        return self.release("create")["id"]

    def release(self, command: str, *arguments: str | Path) -> Any:
        """Runs `tidegate release COMMAND`, and returns the JSON that it prints."""
        done = self.run_release(command, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refuse(
        self, code: str, command: str, *arguments: str | Path, names: Sequence[object] = (), hint: str | None = None
    ) -> None:
        """Runs a command that must fail with this code, with `names` in its message and `hint` in its hint."""
        errors.assert_error(self.run_release(command, *arguments), code, *names, hint=hint)

    def run_release(self, command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.run(*self.arguments(command, *arguments))

    def arguments(self, command: str, *arguments: str | Path) -> list[str | Path]:
        """Returns the arguments of `tidegate release COMMAND`."""
        if command == "create":
            of = [self.folder, *(part for key in self.keys for part in ("--key", key))]
        else:
            of = ["--app", self.folder]
        return ["release", command, *arguments, *of, *self.store_arguments, "--json"]

    def active(self) -> str | None:
        """Returns the id of the active release."""
        return self.release("status")["pointer"].get("active")

    def artifacts(self, *releases: str) -> set[str]:
        """Returns the digests of the artifacts of these releases."""
        documents = [self.release("show", release)["document"] for release in releases]
        return {
            artifact["digest"]
            for document in documents
            for component in document["components"].values()
            for artifact in component["artifacts"].values()
        }


class Client(chat.Client):
    """A connection to the app. It numbers its messages, and asserts that one version answers each message once."""

    def __init__(self, url: str, *token: str) -> None:
        super().__init__(url, *token)
        self.sequence = 0
        self.connection = ""

    def probe(self, behaviour: str = "") -> str:
        """Sends a message, and returns the version in its note and its reply."""
        self.send_probe(behaviour)
        return self.receive_version()

    def receive_version(self) -> str:
        """Returns the version in the note and the reply to the last message."""
        note, reply = self.receive(), self.receive()
        assert (note["kind"], reply["kind"]) == ("note", "reply"), (note, reply)
        assert note["sequence"] == reply["sequence"] == self.sequence
        assert note["version"] == reply["version"]
        self.connection = reply["connection"]
        return reply["version"]

    def trigger_failure(self, behaviour: str) -> str:
        """Makes a version fail, and returns the text of the error frame.

        A process with an old pointer may answer first, with a version that does not fail.
        """
        end = time.monotonic() + chat.TIMEOUT
        while True:
            self.send_probe(behaviour)
            frame = self.receive()
            if "kind" not in frame:
                # MiniStack sends the function error itself.
                return frame.get("message") or frame["errorMessage"]
            self.receive(kind="reply", sequence=self.sequence)
            assert time.monotonic() < end, f"no version failed on `{behaviour}`"

    def send_probe(self, behaviour: str) -> None:
        self.sequence += 1
        self.socket.send(f"{self.sequence} {behaviour}".strip())


def versions(clients: Iterable[Client]) -> list[str]:
    """Returns the version that answers each client."""
    return [client.probe() for client in clients]


def table(printed: str) -> dict[str, Any]:
    """Parses the manifest's table that `tidegate keys new` prints."""
    return tomllib.loads(printed)["keys"]
