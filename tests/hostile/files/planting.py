"""Plants a hostile file, and runs commands on it beside a server of another app.

A command must end, without a panic, with an error that has a code (or with success, where that is right), without a
control character in its output, and within the memory of any other build.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..app import COMPONENTS, HEAD
from ..attack import FILE, Attack, Target, register, summary

# Control characters that a terminal obeys: C0 without the line feed and the tab, DEL, and C1.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# Seconds after which a command counts as one that waits for ever. A debug build on a loaded machine needs a few.
FOR_EVER = 40
# Largest resident memory of a command, in MiB. A compiler needs about a third of it.
MEMORY = 768
# Bytes that a command or a server may allocate, so that one that reads without end does not take the machine's memory.
# Address space that Wasmtime only reserves does not count.
ALLOCATED = 3 << 30

Build = Callable[[Path], None]


@dataclass(frozen=True)
class Planted:
    """A hostile file, and the commands that meet it."""

    build: Build
    # Arguments of each command. `{app}` is the folder of the victim.
    commands: tuple[tuple[str, ...], ...] = (("check", "{app}"),)
    # Variables of the environment.
    environment: tuple[tuple[str, str], ...] = ()
    # True if a command may succeed.
    may_succeed: bool = False
    # Text that must not be in the output, such as a secret.
    secret: str = ""


def planted(**options: Any) -> Callable[[Build], Build]:
    """Registers a function that makes a hostile file in the folder of an app. Its doc comment is its row."""
    of_attack = {name: options.pop(name) for name in ("prepare", "arguments", "manifest") if name in options}
    live = options.pop("live", False)

    def add(build: Build) -> Build:
        one = Planted(build, **options)

        async def run(target: Target) -> None:
            await (attack_live if live else attack)(target, one)

        name = "file-" + build.__name__.replace("_", "-")
        register(replace(Attack(name, FILE, summary(build.__doc__), run, allocated=ALLOCATED), **of_attack))
        return build

    return add


async def attack(target: Target, one: Planted) -> None:
    """Runs the commands on a victim again and again. The victim is made once."""
    victim = target.folder.parent / "victim"
    make_victim(victim, target.folder)
    one.build(victim)
    try:
        await meet(target, one, victim)
    finally:
        remove(victim)


async def attack_live(target: Target, one: Planted) -> None:
    """Plants the file in the app that the server runs. The server must go on, and commands must end."""
    one.build(target.folder)
    try:
        await meet(target, one, target.folder)
    finally:
        remove(target.folder)


async def meet(target: Target, one: Planted, folder: Path) -> None:
    while True:
        for command in one.commands:
            arguments = [argument.format(app=folder) for argument in command]
            await asyncio.to_thread(check, one, [str(target.tidegate), *arguments])
            target.tally.add()
        if not one.commands:
            await asyncio.sleep(target.left)
        if not target.running():
            return


def check(one: Planted, command: list[str]) -> None:
    """Runs a command, and asserts how it ends."""
    environment = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=FOR_EVER,
            env=environment | dict(one.environment), preexec_fn=restrict,
        )
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"`{' '.join(command[1:])}` did not end") from error
    output = (done.stdout + done.stderr).decode(errors="replace")
    name = " ".join(command[1:])
    assert done.returncode in ((0, 1) if one.may_succeed else (1,)), f"`{name}` ended with {done.returncode}: {output}"
    assert done.returncode == 0 or "error[" in output or '"error"' in output, f"`{name}`: no code in {output[:500]}"
    assert "panicked" not in output, f"`{name}` panicked: {output[:500]}"
    found = CONTROL.search(output)
    assert not found, f"`{name}` prints {found.group()!r}: {output[max(0, found.start() - 60) :][:200]!r}"
    assert not one.secret or one.secret not in output, f"`{name}` prints a secret: {output[:500]}"
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1_024
    assert peak <= MEMORY, f"`{name}` took {peak:.0f} MiB"


def restrict() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (ALLOCATED, ALLOCATED))


def make_victim(victim: Path, app: Path) -> None:
    """Makes an app that is in order, for a builder to spoil."""
    remove(victim)
    victim.mkdir(parents=True)
    for name in COMPONENTS:
        os.link(app / f"{name}.wasm", victim / f"{name}.wasm")
    (victim / "tidegate.toml").write_text(HEAD + '[routes."a00"]\ncomponent = "hostile"\n' + GRANTS)


GRANTS = """\
grants.storage = { notes = "read-write" }
grants.connections = { describe = true }
grants.messaging = { send = "any" }
grants.config = ["motd"]
"""


def remove(folder: Path) -> None:
    """Removes a folder, without opening what is in it. A server that follows it may write a report meanwhile."""
    for _ in range(5):
        if subprocess.run(["rm", "-rf", "--", folder], check=False).returncode == 0:
            return
    raise AssertionError(f"cannot remove `{folder}`")


def write_sparse(path: Path, size: int, beginning: bytes = b"") -> None:
    """Makes a file that is large, and takes no space."""
    replace_by(path)
    with path.open("wb") as file:
        file.write(beginning)
        file.truncate(size)


def replace_by(path: Path) -> Path:
    """Removes what is at a path, and makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path


def make_fifo(path: Path) -> None:
    os.mkfifo(replace_by(path))


def make_link(path: Path, to: str) -> None:
    replace_by(path).symlink_to(to)
