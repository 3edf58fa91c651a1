"""A steady load on the app with many versions. It checks every reply while releases change."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK

# Seconds: enough for a loaded machine. Every wait ends as soon as its condition is true.
TIMEOUT = 60


class Connection:
    """One socket. It sends its next message a moment after the reply to the last one."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.id = ""
        self.sequence = 0
        # Version of the last reply, and the number of changes of the version.
        self.version = ""
        self.changes = 0

    async def run(self) -> None:
        async with connect(
            self.load.url, open_timeout=TIMEOUT, close_timeout=TIMEOUT, compression=None, max_queue=None
        ) as socket:
            while not self.load.stopping:
                await self.exchange(socket)
                await asyncio.sleep(random.uniform(0, 2 * self.load.pause))
            # A duplicate reply would arrive now.
            await socket.close()
            try:
                raise AssertionError(f"an unexpected reply: {await socket.recv()}")
            except ConnectionClosedOK:
                pass

    async def exchange(self, socket: ClientConnection) -> None:
        """Sends the next message, and asserts that one version answers it once."""
        self.sequence += 1
        await socket.send(str(self.sequence))
        async with asyncio.timeout(TIMEOUT):
            note, reply = json.loads(await socket.recv()), json.loads(await socket.recv())
        assert (note.get("kind"), reply.get("kind")) == ("note", "reply"), (note, reply)
        assert note["sequence"] == reply["sequence"] == self.sequence, (note, reply, self.sequence)
        assert note["version"] == reply["version"], (note, reply)
        self.id = reply["connection"]
        self.changes += reply["version"] != self.version
        self.version = reply["version"]
        self.load.progress.set()


class Load:
    """Connections that send messages until the `async with` block ends. Their errors are raised in the block."""

    def __init__(self, url: str, connections: int, pause: float) -> None:
        self.url, self.pause, self.stopping = url, pause, False
        self.progress = asyncio.Event()
        self.connections = [Connection(self) for _ in range(connections)]

    async def __aenter__(self) -> Self:
        self.tasks = asyncio.TaskGroup()
        await self.tasks.__aenter__()
        for connection in self.connections:
            self.tasks.create_task(connection.run())
        return self

    async def __aexit__(self, *raised) -> None:
        self.stopping = True
        await self.tasks.__aexit__(*raised)

    @property
    def events(self) -> int:
        return sum(connection.sequence for connection in self.connections)

    async def wait_for(self, expected: Mapping[str, str]) -> None:
        """Waits until the last reply of each connection is from the version that is expected for its id."""
        await self.wait_until(lambda connection: connection.version == expected[connection.id], all)

    async def wait_for_one(self, versions: Mapping[str, str]) -> None:
        """Waits until the last reply of one of these connections is from its expected version."""
        await self.wait_until(lambda connection: connection.version == versions.get(connection.id), any)

    async def wait_until(self, holds, quantity) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not quantity(map(holds, self.connections)):
                self.progress.clear()
                await self.progress.wait()

    async def wait_for_all(self) -> None:
        """Waits until every connection has received a reply."""
        await self.wait_until(lambda connection: connection.id != "", all)
