"""`tidegate dev` as a process: started on a free port, observed through its output, stopped by its own process id."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import planted
from errors import check, parse_report

# URL in the line of standard output that announces the start.
ANNOUNCED = re.compile(r"(ws://127\.0\.0\.1:(\d+)/\w+)")
START_SECONDS = 240
STOP_SECONDS = 30
# Seconds after which a host on Lambda reads the pointer again in these tests.
MAX_STALENESS = 0.2


@dataclass(frozen=True)
class Backend:
    """A way of running the host behind the gateway. Every scenario runs with each, unless a comment gives a reason."""

    name: str
    arguments: tuple[str, ...] = ()


IN_PROCESS = Backend("in-process")
LAMBDA = Backend("lambda", ("--lambda",))
FROZEN = Backend("frozen", ("--lambda", "--freeze"))
BACKENDS = [IN_PROCESS, LAMBDA, FROZEN]


class NotStarted(Exception):
    """Raised when the process exits before it listens."""

    def __init__(self, status: int, output: str, errors: str) -> None:
        super().__init__(f"exit status {status}\n{errors}")
        self.status, self.output, self.errors = status, output, errors

    def assert_error(self, code: str, *named: object, hint: str | None = None) -> None:
        """Asserts that the process ended with this code, and that its message names these values."""
        assert self.status == 1 and "panicked" not in self.errors, self
        check(parse_report(self.errors), code, *named, hint=hint)


@dataclass
class Api:
    """An API, local or deployed, by the URL that clients connect to."""

    url: str


@dataclass
class Server(Api):
    """A running `tidegate dev`."""

    process: subprocess.Popen
    errors_file: Path
    lines: list[str] = field(default_factory=list)
    port: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)
    ended: bool = False
    reader: threading.Thread | None = None

    @property
    def errors(self) -> str:
        return self.errors_file.read_text(errors="replace")

    def read(self, output: IO[str]) -> None:
        """Reads standard output until it ends, so that the pipe never fills up."""
        with output:
            for line in output:
                with self.changed:
                    self.lines.append(line)
                    if not self.url and (found := ANNOUNCED.search(line)):
                        self.url, self.port = found.group(1), int(found.group(2))
                    self.changed.notify_all()
        planted.SUITE.record(self.process.args, "".join(self.lines))
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_until_listening(self) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.url or self.ended, START_SECONDS)
        if not self.url:
            if not self.ended:
                self.kill()
            raise NotStarted(self.wait(), "".join(self.lines), self.errors)

    def wait_for_output(self, text: str) -> None:
        with self.changed:
            found = self.changed.wait_for(lambda: text in "".join(self.lines), START_SECONDS)
        assert found, f"no `{text}` in {self.lines}"

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        status = self.process.wait(STOP_SECONDS)
        self.join_reader()
        return status

    def join_reader(self) -> None:
        if self.reader:
            self.reader.join(STOP_SECONDS)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal, waits for the exit, and returns the exit status."""
        if self.process.poll() is None:
            self.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def bootstraps(self) -> dict[int, str]:
        """States of the function's processes by process id: `T` is stopped, `R` is running."""
        return {one.id: one.state for one in processes() if one.parent == self.process.pid and one.name == "bootstrap"}

    def has_orphans(self) -> bool:
        """Returns true if a process of its session is left. Zombies do not count."""
        return any(one.session == self.process.pid and one.state != "Z" for one in processes())


@dataclass(frozen=True)
class Process:
    """A process of this machine, as `/proc` describes it."""

    id: int
    name: str
    state: str
    parent: int
    session: int


def processes() -> Iterator[Process]:
    """Yields every process of this machine."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            named, _, rest = path.read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, parent, _group, session, *_ = rest.split()
        yield Process(int(path.parent.name), named.partition("(")[2], state, int(parent), int(session))


def start(
    command: list[str | os.PathLike[str]],
    errors_file: Path,
    *,
    limits: dict[int, int] | None = None,
    errors_pipe: bool = False,
    env: dict[str, str] | None = None,
) -> Server:
    """Starts `tidegate dev` and waits until it listens. `limits` are resource limits by number (`RLIMIT_…`), and `env`
    has more environment variables. With `errors_pipe`, standard error is the pipe `process.stderr`, which only the test
    reads."""

    def restrict() -> None:
        for number, limit in (limits or {}).items():
            resource.setrlimit(number, (limit, limit))

    prepare: Callable[[], None] | None = restrict if limits else None
    with errors_file.open("w") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if errors_pipe else errors, text=True,
            env=environment() | (env or {}), start_new_session=True, preexec_fn=prepare,
        )
    server = Server("", process, errors_file)
    server.reader = threading.Thread(target=server.read, args=(process.stdout,), daemon=True)
    server.reader.start()
    server.wait_until_listening()
    return server


def bootstrap_script(bootstrap: Path, max_staleness: float) -> str:
    """Returns a script that replaces itself by the bootstrap, with a `MAX_STALENESS` in seconds."""
    return f"#!/bin/sh\nMAX_STALENESS={max_staleness * 1_000:.0f}ms exec '{bootstrap.absolute()}'\n"


def environment() -> dict[str, str]:
    """Returns this environment without the variables that change where guests are built and what is logged."""
    return {name: value for name, value in os.environ.items() if name not in {"CARGO_TARGET_DIR", "RUST_LOG"}}
