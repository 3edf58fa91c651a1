"""The faults that the proxy injects.

A fault is before or after the request is applied. A fault after it is the harder one: the write is stored, and its
sender does not know.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

# Time limit in seconds for an answer of the upstream, and for a client that waits for an answer that never comes.
SECONDS = 60
# Headers of one connection. Lengths are computed again.
OF_CONNECTION = {"connection", "keep-alive", "transfer-encoding"}
# The requests of the storage port.
STORING = {"GetItem", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}
WRONG_BODY = b"<html><body>This is not an answer of AWS.</body></html>"
THROTTLES = {
    "dynamodb": (400, "ProvisionedThroughputExceededException"),
    "@connections": (429, "LimitExceededException"),
    "s3": (503, "SlowDown"),
}


@dataclass(frozen=True)
class Request:
    """A request of a host or of the command line."""

    service: str
    operation: str
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """An answer of AWS, or one that a fault makes up."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def encode(self, method: str) -> bytes:
        """Returns the bytes of the answer to a request with this method."""
        headers = [(name, value) for name, value in self.headers if name.lower() not in OF_CONNECTION]
        if method != "HEAD":
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            headers.append(("content-length", str(len(self.body))))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return f"HTTP/1.1 {self.status} Answer\r\n{lines}\r\n".encode("latin-1") + self.body


@dataclass
class Exchange:
    """A request with the connection of its sender."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    upstream: int

    async def forward(self) -> Answer:
        """Applies the request, and returns the answer of AWS."""
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
            headers = [one for one in self.request.headers if one[0].lower() not in OF_CONNECTION]
            lines = "".join(f"{name}: {value}\r\n" for name, value in [*headers, ("connection", "close")])
            head = f"{self.request.method} {self.request.path} HTTP/1.1\r\n{lines}\r\n"
            writer.write(head.encode("latin-1") + self.request.body)
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
            writer.close()
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        if any(name.lower() == "transfer-encoding" and value.lower() == "chunked" for name, value in headers):
            body = joined(body)
        return Answer(int(first.split(" ")[1]), headers, body)

    async def answer(self, answer: Answer) -> bool:
        """Sends an answer. Returns true, because the connection may be used again."""
        self.writer.write(answer.encode(self.request.method))
        await self.writer.drain()
        return True

    async def part(self, data: bytes) -> None:
        """Sends a part of an answer."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> bool:
        """Resets the connection. Returns false, because it has ended."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        return False


@dataclass(frozen=True)
class Fault:
    """A fault with its name in the tables of docs/RELIABILITY.md."""

    name: str
    # True if AWS applies the request at once.
    applied: bool
    # True if a complete and valid answer of AWS arrives in the end.
    answered: bool
    act: Callable[[Exchange], Awaitable[bool]]

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def before_and_after(name: str, fail: Callable[[Exchange, Answer | None], Awaitable[bool]]) -> list[Fault]:
    """Returns the fault of a request that is not applied, and that of one that is."""

    async def before(exchange: Exchange) -> bool:
        return await fail(exchange, None)

    async def after(exchange: Exchange) -> bool:
        return await fail(exchange, await exchange.forward())

    return [
        Fault(f"{name} before it is applied", False, False, before),
        Fault(f"{name} after it is applied", True, False, after),
    ]


async def reset(exchange: Exchange, _answer: Answer | None) -> bool:
    """Resets the connection."""
    return exchange.reset()


async def fail(exchange: Exchange, _answer: Answer | None) -> bool:
    """Answers with status 500."""
    return await exchange.answer(error(exchange.request.service, 500, "InternalServerError"))


async def confuse(exchange: Exchange, _answer: Answer | None) -> bool:
    """Answers with status 200, and a body that is not one of AWS."""
    return await exchange.answer(Answer(200, [("content-type", "text/html")], WRONG_BODY))


async def stall(exchange: Exchange, _answer: Answer | None) -> bool:
    """Answers nothing until the client gives up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            await exchange.reader.read(1)
    return False


async def throttle(exchange: Exchange) -> bool:
    """Answers that there are too many requests."""
    return await exchange.answer(error(exchange.request.service, *THROTTLES[exchange.request.service]))


async def delay(exchange: Exchange) -> bool:
    """Delays the request and its answer."""
    await asyncio.sleep(0.1)
    answer = await exchange.forward()
    await asyncio.sleep(0.1)
    return await exchange.answer(answer)


async def cut(exchange: Exchange) -> bool:
    """Sends half of the answer, and ends the connection."""
    answer = await exchange.forward()
    await exchange.part(answer.encode(exchange.request.method)[: -max(1, len(answer.body) // 2)])
    return False


async def drip(exchange: Exchange) -> bool:
    """Sends the answer in 20 parts with pauses."""
    data = (await exchange.forward()).encode(exchange.request.method)
    size = max(1, len(data) // 20)
    for start in range(0, len(data), size):
        await exchange.part(data[start : start + size])
        await asyncio.sleep(0.01)
    return True


async def arrive_late(exchange: Exchange) -> bool:
    """Resets the connection, and applies the request afterwards."""
    exchange.reset()
    await asyncio.sleep(0.2)
    await exchange.forward()
    return False


RESETS = before_and_after("reset", reset)
FAILURES = before_and_after("500", fail)
WRONG_BODIES = before_and_after("wrong body", confuse)
STALLS = before_and_after("no answer", stall)
LATENCY = Fault("latency", True, True, delay)
THROTTLED = Fault("throttled", False, False, throttle)
HALF_ANSWER = Fault("half an answer", True, False, cut)
DRIP = Fault("slow drip", True, True, drip)
LATE = Fault("reset, and applied later", True, False, arrive_late)
FAULTS = [LATENCY, *RESETS, HALF_ANSWER, *FAILURES, THROTTLED, *WRONG_BODIES, DRIP, LATE, *STALLS]


def mixture(seed: int) -> Fault:
    """Returns the fault of one in six requests to DynamoDB: any that does not wait for a time limit."""
    random = Random(seed)
    several = [fault for fault in FAULTS if fault not in STALLS]

    async def act(exchange: Exchange) -> bool:
        if exchange.request.operation not in STORING or random.randrange(6):
            return await exchange.answer(await exchange.forward())
        return await random.choice(several).act(exchange)

    return Fault("a mixture", True, True, act)


def kill(at: str, end: Callable[[], None]) -> Fault:
    """Returns the fault that ends the sender `before` or `after` the request is applied. `end` kills it."""

    async def act(exchange: Exchange) -> bool:
        if at == "after":
            await exchange.forward()
        end()
        return exchange.reset()

    return Fault(f"kill -9 {at} it is applied", at == "after", False, act)


def error(service: str, status: int, code: str) -> Answer:
    """Returns an error of a service."""
    if service == "s3":
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>"
        return Answer(status, [("content-type", "application/xml")], body.encode())
    body = json.dumps({"__type": f"com.amazonaws.{service}#{code}", "message": "injected"})
    headers = [("content-type", "application/x-amz-json-1.0"), ("x-amzn-errortype", code)]
    return Answer(status, headers, body.encode())


def joined(body: bytes) -> bytes:
    """Returns a body without its division into chunks."""
    parts = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        parts.append(rest[:length])
        body = rest[length + 2 :] if length else b""
    return b"".join(parts)
