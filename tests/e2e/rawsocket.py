"""A WebSocket client that sends arbitrary bytes, for frames that a proper client does not send (RFC 6455)."""

from __future__ import annotations

import base64
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from chat import TIMEOUT

CLOSE, PING = 0x8, 0x9
# Most bytes that one call of `recv` returns.
CHUNK = 65_536


def frame(opcode: int, payload: bytes) -> bytes:
    """Returns a final, masked frame. It may break the rules on sizes."""
    mask = os.urandom(4)
    if len(payload) < 126:
        length = bytes([0x80 | len(payload)])
    else:
        length = bytes([0x80 | 126]) + struct.pack(">H", len(payload))
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes([0x80 | opcode]) + length + mask + masked


@dataclass
class RawSocket:
    """An open WebSocket connection."""

    url: str
    token: str
    received: bytes = field(default=b"", init=False)

    def __enter__(self) -> Self:
        parts = urlsplit(self.url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=TIMEOUT)
        key = base64.b64encode(os.urandom(16)).decode()
        request = [
            f"GET {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", f"Authorization: Bearer {self.token}",
        ]
        self.socket.sendall("\r\n".join([*request, "", ""]).encode())
        while b"\r\n\r\n" not in self.received:
            self.receive()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> bytes:
        """Receives more bytes, or none at the end of the connection. A reset raises `ConnectionResetError`."""
        chunk = self.socket.recv(CHUNK)
        self.received += chunk
        return chunk

    def close_code(self) -> int:
        """Receives until the server ends the connection, and returns the code of its close frame."""
        while self.receive():
            pass
        rest = self.received
        while rest:
            opcode, length = rest[0] & 0x0F, rest[1] & 0x7F
            start = 2
            if length == 126:
                (length,), start = struct.unpack(">H", rest[2:4]), 4
            elif length == 127:
                (length,), start = struct.unpack(">Q", rest[2:10]), 10
            payload, rest = rest[start : start + length], rest[start + length :]
            if opcode == CLOSE:
                assert rest == b"", "the close frame is the last"
                return struct.unpack(">H", payload[:2])[0]
        raise AssertionError("the connection ended without a close frame")
