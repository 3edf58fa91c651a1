"""The probe: a neighbour's clients, in a process of their own.

    python -m hostile.probe URL TALLY OUTPUT

It prints `ready` once it is connected, and runs until its standard input ends. Then it waits for the answers that are
outstanding, and writes a record for each request to OUTPUT.

The load is open: a request is sent at its time, whether or not the one before it has been answered, so that a slow
answer does not hide the requests behind it.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .tally import Tally
from .wire import PATIENCE, Address, Ended, Refused, Socket

ECHO, STORE, HANDSHAKE = "echo", "store", "handshake"
# An answer that no request waits for.
SURPLUS = "surplus"
# Seconds between two requests.
PAUSES = {ECHO: 0.02, STORE: 0.1, HANDSHAKE: 0.25}


@dataclass
class Record:
    """One request of the probe. Times are monotonic, in seconds."""

    kind: str
    sent: float
    # The attacker's ended events at the request.
    before: int
    answered: float | None = None
    # The attacker's ended events between the request and its answer.
    between: int = 0
    # Reason for a failure.
    failure: str | None = "no answer"


class Probe:
    """Sends requests until it is told to stop, and keeps a record of each."""

    def __init__(self, address: Address, tally: Tally) -> None:
        self.address, self.tally = address, tally
        self.records: list[Record] = []
        self.stopping = asyncio.Event()

    def begin(self, kind: str) -> Record:
        record = Record(kind, time.monotonic(), self.tally.total())
        self.records.append(record)
        return record

    def end(self, record: Record, failure: str | None = None) -> None:
        record.answered, record.failure = time.monotonic(), failure
        record.between = self.tally.total() - record.before

    async def pause(self, due: float) -> bool:
        """Waits until a time, and returns true if the probe goes on."""
        try:
            async with asyncio.timeout_at(due):
                await self.stopping.wait()
        except TimeoutError:
            pass
        return not self.stopping.is_set()

    async def run(self) -> None:
        """Sends all kinds of requests until it is told to stop, and waits for the outstanding answers."""
        sockets = {kind: await Socket.open(self.address) for kind in (ECHO, STORE)}
        print("ready", flush=True)
        async with asyncio.TaskGroup() as tasks:
            for kind, socket in sockets.items():
                tasks.create_task(self.messages(kind, socket))
            tasks.create_task(self.handshakes())
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, sys.stdin.read)
            self.stopping.set()

    async def messages(self, kind: str, socket: Socket) -> None:
        """Sends a message each time it is due, on one connection. Opens another one after a failure."""
        due = asyncio.get_running_loop().time()
        number = 0
        while not self.stopping.is_set():
            outstanding: dict[int, Record] = {}
            errors: list[str] = []
            reader = asyncio.create_task(self.answers(socket, outstanding, errors))
            try:
                while await self.pause(due) and not reader.done():
                    due += PAUSES[kind]
                    number += 1
                    outstanding[number] = self.begin(kind)
                    await socket.text(json.dumps({"action": kind, "n": number}))
                await self.drain(reader, outstanding, errors)
            except Ended:
                pass
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
            unanswered = "no answer" if self.stopping.is_set() else "the connection ended"
            for record, why in itertools.zip_longest(outstanding.values(), errors[: len(outstanding)]):
                self.end(record, why or unanswered)
            socket.leave()
            if not self.stopping.is_set():
                try:
                    socket = await Socket.open(self.address)
                except (Ended, Refused, TimeoutError, OSError) as error:
                    self.end(self.begin(kind), f"no connection: {error}")
                    await self.pause(due + 1)

    async def drain(self, reader: asyncio.Task[None], outstanding: dict[int, Record], errors: list[str]) -> None:
        """Waits for the outstanding answers."""
        end = time.monotonic() + PATIENCE
        while len(outstanding) > len(errors) and not reader.done() and time.monotonic() < end:
            await asyncio.sleep(0.01)

    async def answers(self, socket: Socket, outstanding: dict[int, Record], errors: list[str]) -> None:
        """Matches answers to requests by their number. An error frame has none: a request that it leaves unanswered
        fails at the end."""
        async for payload in socket.messages():
            answer = json.loads(payload)
            if "n" not in answer:
                errors.append(str(answer.get("message"))[:100])
            elif record := outstanding.pop(answer["n"], None):
                self.end(record)
            else:
                self.end(self.begin(SURPLUS), "an answer that no request waits for")

    async def handshakes(self) -> None:
        """Opens a connection each time one is due, and closes it."""
        due = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            while await self.pause(due):
                due += PAUSES[HANDSHAKE]
                tasks.create_task(self.handshake(self.begin(HANDSHAKE)))

    async def handshake(self, record: Record) -> None:
        try:
            socket = await Socket.open(self.address)
        except (Ended, Refused, TimeoutError, OSError) as error:
            self.end(record, f"{type(error).__name__}: {error}")
            return
        self.end(record)
        socket.leave()


def main(url: str, tally: str, output: str) -> None:
    probe = Probe(Address.of(url), Tally(Path(tally), slot=7))
    # A collection of garbage would look like a pause of the server.
    gc.disable()
    asyncio.run(probe.run())
    Path(output).write_text(json.dumps([asdict(record) for record in probe.records]))


if __name__ == "__main__":
    main(*sys.argv[1:])
