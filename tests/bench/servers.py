"""The servers of the comparison. Each starts on a free port of 127.0.0.1 and is stopped by its process id."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The tokens of the end-to-end tests.
sys.path.append(str(HERE.parent / "e2e"))

import tokens  # noqa: E402

STOP_SECONDS = 20


class Server:
    """A server process. `url` is set once it listens."""

    name = ""
    descriptors_per_connection = 1

    def __init__(self) -> None:
        self.url = ""
        # Kind of the next scenario.
        self.scenario = ""
        # Called in the new process before it starts the program, for example to pin it to a core.
        self.prepare: Callable[[], None] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def directory(self) -> Path:
        return HERE

    def listening(self, line: str) -> str | None:
        """Returns the URL if this line of standard output states it."""
        raise NotImplementedError

    def url_for(self, _scenario: str) -> str:
        return self.url

    def __enter__(self) -> "Server":
        # The guests' build commands choose their own target folders.
        environment = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            self.command(), cwd=self.directory(), env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors,
            preexec_fn=self.prepare,
        )
        try:
            self.url = self.wait_until_listening()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_until_listening(self) -> str:
        assert self.process.stdout
        for line in self.process.stdout:
            if url := self.listening(line):
                return url
        self.errors.seek(0)
        raise SystemExit(f"{self.name} did not start:\n{self.errors.read()[-4000:]}")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()
        self.errors.close()


class Baseline(Server):
    """A bare tokio-tungstenite server: its figures are the cost of the sockets."""

    name = "baseline"

    def __init__(self, binary: Path) -> None:
        super().__init__()
        self.binary = binary

    def command(self) -> list[str]:
        return [str(self.binary)]

    def listening(self, line: str) -> str | None:
        return line.strip() if line.startswith("ws://") else None

    def url_for(self, scenario: str) -> str:
        return f"{self.url}/{'broadcast' if scenario == 'fanout' else 'echo'}"


class Tidegate(Server):
    """A release build of `tidegate dev` with tables in memory, on `app/`, or on `authorized/` for handshakes."""

    def __init__(self, binary: Path, name: str = "tidegate") -> None:
        super().__init__()
        self.binary = binary
        self.name = name

    def command(self) -> list[str]:
        return [str(self.binary), "dev", str(self.app()), "--port", "0", "--memory"]

    def app(self) -> Path:
        return HERE / ("authorized" if self.scenario == "connect" else "app")

    def listening(self, line: str) -> str | None:
        found = re.search(r"ws://127\.0\.0\.1:\d+/\w+", line)
        return found.group() if found else None

    def url_for(self, scenario: str) -> str:
        if scenario != "connect":
            return self.url
        secret = tomllib.loads((self.app() / "tidegate.toml").read_text())["config"]["jwt-secret"]
        return f"{self.url}?token={tokens.make(secret)}"


class Workerd(Server):
    """workerd, with a Durable Object that holds the connections with WebSocket hibernation."""

    name = "workerd"
    # workerd exits when it runs out of descriptors.
    descriptors_per_connection = 2
    address = "127.0.0.1:0"

    def command(self) -> list[str]:
        # The npm package's script starts the program as a child, but this bench needs the program's own process id.
        found = sorted(HERE.glob("node_modules/@cloudflare/workerd-*/bin/workerd"))
        if not found:
            raise SystemExit("workerd is not installed: run `make bench`, which installs it from npm")
        return [str(found[0]), "serve", "config.capnp", "--socket-addr", f"http={self.address}", "--control-fd=1"]

    def directory(self) -> Path:
        return HERE / "workerd"

    def listening(self, line: str) -> str | None:
        if not line.startswith("{"):
            return None
        event = json.loads(line)
        return f"ws://127.0.0.1:{event['port']}/" if event.get("event") == "listen" else None
