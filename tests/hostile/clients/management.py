"""Clients of the `@connections` API. Their signatures are made up, as a page or a neighbour would make them up."""

from __future__ import annotations

import asyncio

from ..attack import Target, client
from ..load import repeat
from ..wire import Socket

AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIAMADEUP/20260101/us-east-1/execute-api/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)


def request(target: Target, method: str, connection: str, *headers: str, host: str = "") -> bytes:
    """Returns the head of a request to `@connections`."""
    lines = [
        f"{method} {target.address.path}/@connections/{connection} HTTP/1.1",
        f"Host: {host or target.address.authority}", f"Authorization: {AUTHORIZATION}",
        "X-Amz-Date: 20260101T000000Z", *headers, "", "",
    ]
    return "\r\n".join(lines).encode()


@client()
async def posts_to_nobody(target: Target) -> None:
    """Posts to connections that do not exist, on 32 connections that stay open."""
    await keep_asking(target, [request(target, "POST", "gone000000000001%3D", "Content-Length: 5") + b"hello"])


@client()
async def deletes_and_describes(target: Target) -> None:
    """Describes and deletes connections that do not exist, on 32 connections that stay open."""
    await keep_asking(target, [request(target, method, "gone000000000001%3D") for method in ("GET", "DELETE")])


@client()
async def odd_connection_ids(target: Target) -> None:
    """Names connections by ids that are long, encoded twice, or lead out of the path."""
    names = ["..%2f..%2fx", "%00", "%", "%zz", "a" * 8_000, "%253D", "x/y/z", "?x=y", "%F0%9F%A6%80", "@connections"]
    await keep_asking(target, [request(target, "GET", name) for name in names])


@client()
async def posts_with_other_hosts(target: Target) -> None:
    """Posts with a rebound name in `Host`."""
    head = request(target, "POST", "gone000000000001%3D", "Content-Length: 5", host="rebound.example")
    await keep_asking(target, [head + b"hello"])


@client()
async def posts_too_large(target: Target) -> None:
    """Posts bodies of 8 MiB, from 16 workers."""
    head = request(target, "POST", "gone000000000001%3D", f"Content-Length: {8 << 20}")
    await keep_asking(target, [head + b"x" * (8 << 20)], 16)


@client()
async def endless_bodies(target: Target) -> None:
    """Posts chunked bodies that do not end, on 32 connections."""
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"

    async def once(_: int) -> None:
        socket = await Socket.dial(target.address)
        try:
            await socket.send(request(target, "POST", "gone000000000001%3D", "Transfer-Encoding: chunked"))
            while target.running():
                await socket.send(chunk)
                await asyncio.sleep(0)
        finally:
            target.tally.add()
            socket.reset()

    await repeat(target, 32, once)


@client()
async def slow_bodies(target: Target) -> None:
    """Posts bodies at one byte every 10 ms, on 500 connections."""

    async def once(_: int) -> None:
        socket = await Socket.dial(target.address)
        try:
            await socket.send(request(target, "POST", "gone000000000001%3D", "Content-Length: 100000"))
            while target.running():
                await socket.send(b"x")
                await asyncio.sleep(0.01)
        finally:
            target.tally.add()
            socket.reset()

    await repeat(target, target.scaled(500), once)


async def keep_asking(target: Target, requests: list[bytes], workers: int = 32) -> None:
    """Sends the requests in turn on connections that stay open, and reads each response's head and body."""

    async def once(_: int) -> None:
        socket = await Socket.dial(target.address)
        try:
            while target.running():
                for data in requests:
                    await socket.send(data)
                    await socket.read_status()
                    target.tally.add()
        finally:
            socket.reset()

    await repeat(target, workers, once)
