"""A steady load on the app of many versions. It holds what must be true of every answer while releases change."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK

# Long enough for a loaded machine; every wait ends as soon as what it waits for is there.
PATIENCE = 60


class Connection:
    """One socket, which sends its next message a moment after the answer to the last one."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.id = ""
        self.sequence = 0
        # The version that answered last, and how often another one did than before.
        self.version = ""
        self.changes = 0

    async def run(self) -> None:
        async with connect(
            self.load.url, open_timeout=PATIENCE, close_timeout=PATIENCE, compression=None, max_queue=None
        ) as socket:
            while not self.load.stopping:
                await self.exchange(socket)
                await asyncio.sleep(random.uniform(0, 2 * self.load.pause))
            # An answer that was given twice would come now.
            await socket.close()
            try:
                raise AssertionError(f"an answer that nobody asked for: {await socket.recv()}")
            except ConnectionClosedOK:
                pass

    async def exchange(self, socket: ClientConnection) -> None:
        """Sends the next message, and holds that one version answers it, once."""
        self.sequence += 1
        await socket.send(str(self.sequence))
        async with asyncio.timeout(PATIENCE):
            note, reply = json.loads(await socket.recv()), json.loads(await socket.recv())
        assert (note.get("kind"), reply.get("kind")) == ("note", "reply"), (note, reply)
        assert note["sequence"] == reply["sequence"] == self.sequence, (note, reply, self.sequence)
        assert note["version"] == reply["version"], (note, reply)
        self.id = reply["connection"]
        self.changes += reply["version"] != self.version
        self.version = reply["version"]
        self.load.progress.set()


class Load:
    """Connections that send messages until the block ends. What goes wrong on one of them is raised in the block."""

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
        """Waits until each connection was answered by the version that is expected for its id."""
        await self.wait_until(lambda connection: connection.version == expected[connection.id], all)

    async def wait_for_one(self, versions: Mapping[str, str]) -> None:
        """Waits until one of these connections was answered by its version."""
        await self.wait_until(lambda connection: connection.version == versions.get(connection.id), any)

    async def wait_until(self, holds, quantity) -> None:
        async with asyncio.timeout(PATIENCE):
            while not quantity(map(holds, self.connections)):
                self.progress.clear()
                await self.progress.wait()

    async def wait_for_all(self) -> None:
        """Waits until every connection has had an answer."""
        await self.wait_until(lambda connection: connection.id != "", all)
