"""The prober: a separate process that asks a server for its version, so that measuring does not delay the server."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

# Seconds that a new version may take to answer for the first time.
TIMEOUT = 20
STOP_SECONDS = 20


@dataclass(frozen=True)
class Event:
    """One line of the prober's output. Its clock is `time.monotonic_ns`."""

    at_ns: int
    kind: str
    fields: dict[str, Any]


class Prober:
    """Sends probes on one socket, and reports version changes, disconnects and the replacement of a file."""

    def __init__(self, program: Path, url: str, file: Path | None = None) -> None:
        self.command = [program, "--url", url, *(["--file", file] if file else [])]
        self.events: queue.Queue[Event | None] = queue.Queue()

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        return self

    def read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            fields = json.loads(line)
            self.events.put(Event(fields.pop("at_ns"), fields.pop("event"), fields))
        self.events.put(None)

    def wait_for(self, kind: str, **expected: str) -> list[Event]:
        """Returns the events from now on, up to the first of this kind with the `expected` fields.

        Raises TimeoutError if there is no such event.
        """
        events: list[Event] = []
        end = time.monotonic() + TIMEOUT
        while not (events and events[-1].kind == kind and expected.items() <= events[-1].fields.items()):
            try:
                event = self.events.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                message = f"no event `{kind}` with {expected}; the last events were {events[-10:]}"
                raise TimeoutError(message) from None
            if event is None:
                raise SystemExit(f"the prober exited with status {self.process.wait(STOP_SECONDS)}")
            events.append(event)
        return events

    def finish(self) -> list[Event]:
        """Ends the prober, and returns its remaining events. The last one has the totals."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.wait_for("finished")

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join(STOP_SECONDS)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            stream.close()
