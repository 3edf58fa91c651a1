"""Who asks which version answers: a process of its own, so that measuring delays nothing that is measured."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

# How long a version may take to answer for the first time.
PATIENCE = 20
STOP_SECONDS = 20


@dataclass(frozen=True)
class Event:
    """What the asker tells. Its clock is `time.monotonic_ns`."""

    at_ns: int
    what: str
    told: dict[str, Any]


class Asker:
    """Asks on one socket without end, and tells when another version answers, when its socket was dropped, and when a
    file was replaced."""

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
            told = json.loads(line)
            self.events.put(Event(told.pop("at_ns"), told.pop("what"), told))
        self.events.put(None)

    def until(self, what: str, **wanted: str) -> list[Event]:
        """What is told from now on, up to the first of this kind that says what is `wanted`.

        Raises TimeoutError when that is not told.
        """
        events: list[Event] = []
        end = time.monotonic() + PATIENCE
        while not (events and events[-1].what == what and wanted.items() <= events[-1].told.items()):
            try:
                event = self.events.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"nothing was {what} as wanted, {wanted}, but told were {events[-10:]}") from None
            if event is None:
                raise SystemExit(f"the asker has ended, with the status {self.process.wait(STOP_SECONDS)}")
            events.append(event)
        return events

    def end(self) -> list[Event]:
        """Lets it end, and returns the rest of what it tells, its totals last."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.until("ended")

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join(STOP_SECONDS)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            stream.close()
