"""The description of an attack, and the registry in which the processes find it by name."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from .tally import Tally
from .wire import Address

GUEST, CLIENT, FILE = "guest", "client", "file"
KINDS = (GUEST, CLIENT, FILE)


@dataclass(frozen=True)
class Target:
    """The server under attack, from the attacker's view."""

    address: Address
    # Folder of the app, for attacks by files.
    folder: Path
    tidegate: Path
    tally: Tally
    # Monotonic time at which the attack ends.
    end: float
    # Part of the full number of sockets and messages, in (0, 1].
    scale: float = 1.0

    def running(self) -> bool:
        return time.monotonic() < self.end

    def scaled(self, count: int) -> int:
        """Returns a part of a count, and at least one."""
        return max(1, round(count * self.scale))

    @property
    def left(self) -> float:
        return max(0.0, self.end - time.monotonic())


@dataclass(frozen=True)
class Manifest:
    """The parts of the app that depend on the attack."""

    time: str = "2s"
    memory: str = "64MiB"
    # True if the app has an authorizer. The context that it returns selects the program of `$disconnect`.
    authorizer: bool = False
    disconnect: bool = False
    # Tables to add, for example trusted keys.
    more: str = ""


@dataclass(frozen=True)
class Attack:
    """An attack, and the bound on its effect."""

    name: str
    kind: str
    # Row of the table: a sentence without its subject.
    title: str
    run: Callable[[Target], Awaitable[None]]
    manifest: Manifest = field(default=Manifest())
    # Arguments of `tidegate dev`, after `--memory`.
    arguments: tuple[str, ...] = ()
    # Prepares the folder of the app before the server starts.
    prepare: Callable[[Path, Path], None] | None = None
    # True if nobody reads the server's standard error, and the pipe is full.
    unread_stderr: bool = False
    # Bytes that the server may allocate, or None. Only attacks that could take the machine's memory need the limit.
    allocated: int | None = None
    # True if the attack is on `$connect` or the authorizer, which the probe's handshakes share.
    shares_connect: bool = False
    # Most events of the attacker that may end between a request of the probe and its answer.
    bound: int | None = None


ATTACKS: dict[str, Attack] = {}


def register(attack: Attack) -> Attack:
    """Adds an attack to the registry."""
    assert attack.name not in ATTACKS, f"two attacks are called `{attack.name}`"
    ATTACKS[attack.name] = attack
    return attack


def summary(documentation: str | None) -> str:
    """Returns the first sentence of a doc comment as a row of the table."""
    assert documentation, "an attack needs a doc comment, which is its row in the table"
    return " ".join(documentation.strip().split("\n\n")[0].split()).removesuffix(".")


def client(**options: object) -> Callable[[Callable[[Target], Awaitable[None]]], Callable[[Target], Awaitable[None]]]:
    """Registers a function as an attack by clients. Its name and its doc comment are those of the attack."""

    def add(run: Callable[[Target], Awaitable[None]]) -> Callable[[Target], Awaitable[None]]:
        attack = Attack("client-" + run.__name__.replace("_", "-"), CLIENT, summary(run.__doc__), run)
        register(replace(attack, **options))
        return run

    return add
