"""A WebSocket client that costs little and obeys no more of RFC 6455 than its caller wants."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import struct
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL = 0x80
# Seconds: more than the longest time that a route may take.
PATIENCE = 40.0
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class Refused(Exception):
    """Raised when the server answers a handshake with another status than 101."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the handshake was refused with status {status}")
        self.status = status


class Ended(Exception):
    """Raised when the connection ends."""


@dataclass(frozen=True)
class Address:
    """Parts of a `ws` URL."""

    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Self:
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        return cls(parts.hostname, parts.port, parts.path)

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, masked: bool = True) -> bytes:
    """Returns a frame. The mask is zero, which RFC 6455 allows and which leaves the payload as it is."""
    first, mask = opcode | (FINAL if final else 0), 0x80 if masked else 0
    length = len(payload)
    if length < 126:
        head = struct.pack(">BB", first, mask | length)
    elif length < 65_536:
        head = struct.pack(">BBH", first, mask | 126, length)
    else:
        head = struct.pack(">BBQ", first, mask | 127, length)
    return head + (bytes(4) if masked else b"") + payload


def handshake(address: Address, query: str = "", headers: Iterable[str] = ()) -> bytes:
    """Returns the head of an upgrade request. `headers` are whole lines, which follow the usual ones."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {address.path}{'?' if query else ''}{query} HTTP/1.1", f"Host: {address.authority}",
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}",
        *headers, "", "",
    ]
    return "\r\n".join(lines).encode()


@dataclass
class Socket:
    """An open WebSocket connection, or a TCP connection that pretends to be one."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def dial(cls, address: Address) -> Self:
        """Opens a TCP connection."""
        async with asyncio.timeout(PATIENCE):
            return cls(*await asyncio.open_connection(address.host, address.port, limit=1 << 18))

    @classmethod
    async def open(cls, address: Address, query: str = "", headers: Iterable[str] = ()) -> Self:
        """Opens a WebSocket connection, and raises `Refused` if the server does not."""
        socket = await cls.dial(address)
        try:
            async with asyncio.timeout(PATIENCE):
                await socket.send(handshake(address, query, headers))
                status = await socket.read_status()
        except BaseException:
            socket.reset()
            raise
        if status != 101:
            socket.reset()
            raise Refused(status)
        return socket

    async def read_status(self) -> int:
        """Reads the head of an HTTP response, and returns its status. The body of the response before it is skipped."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError) as error:
            raise Ended(str(error)) from error
        found = STATUS.search(head)
        if not found:
            raise Ended("the response is not HTTP")
        return int(found[1])

    async def send(self, data: bytes) -> None:
        try:
            self.writer.write(data)
            await self.writer.drain()
        except (ConnectionError, OSError) as error:
            raise Ended(str(error)) from error

    async def text(self, text: str) -> None:
        await self.send(frame(TEXT, text.encode()))

    async def read(self) -> tuple[int, bytes]:
        """Reads one frame of the server."""
        try:
            first, length = await self.reader.readexactly(2)
            if length == 126:
                (length,) = struct.unpack(">H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError, OSError) as error:
            raise Ended(str(error)) from error

    async def messages(self) -> AsyncIterator[bytes]:
        """Yields messages until the connection ends, and answers pings."""
        while True:
            opcode, payload = await self.read()
            if opcode in (TEXT, BINARY):
                yield payload
            elif opcode == PING:
                await self.send(frame(PONG, payload))
            elif opcode == CLOSE:
                raise Ended("the server closed the connection")

    def leave(self) -> None:
        """Sends a close frame, and closes the TCP connection without waiting for the answer."""
        if not self.writer.is_closing():
            self.writer.write(frame(CLOSE, struct.pack(">H", 1000)))
            self.writer.close()

    def reset(self) -> None:
        """Ends the TCP connection at once."""
        self.writer.transport.abort()
