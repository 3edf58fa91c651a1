"""Clients that send HTTP requests instead of handshakes, or handshakes with odd heads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..attack import Manifest, Target, client
from ..load import repeat
from ..wire import Refused, Socket, handshake


@client()
async def many_protocols(target: Target) -> None:
    """Offers 2,000 sub-protocols, from 32 workers."""
    await handshakes(target, [f"Sec-WebSocket-Protocol: {', '.join(f'p{number}' for number in range(2_000))}"])


@client()
async def many_headers(target: Target) -> None:
    """Sends 1,000 headers, from 32 workers."""
    await handshakes(target, [f"x-{number}: y" for number in range(1_000)])


@client()
async def long_header(target: Target) -> None:
    """Sends a header of 1 MiB, from 16 workers."""
    await handshakes(target, [f"x-long: {'y' * (1 << 20)}"], 16)


@client()
async def header_at_the_limit(target: Target) -> None:
    """Sends headers of 31,000 bytes, which become part of the event, from 32 workers."""
    await handshakes(target, [f"x-long: {'y' * 31_000}"])


@client()
async def long_query(target: Target) -> None:
    """Sends a query of 4,000 parameters, from 32 workers."""
    query = "&".join(f"q{number}=%41" for number in range(2_500))

    async def once(_: int) -> None:
        try:
            (await Socket.open(target.address, query)).leave()
        finally:
            target.tally.add()

    await repeat(target, 32, once)


@client()
async def bad_handshakes(target: Target) -> None:
    """Sends upgrades with wrong versions, keys, methods and paths, from 32 workers."""
    good = handshake(target.address).decode()
    heads = [
        good.replace("Version: 13", "Version: 12"), good.replace("Sec-WebSocket-Key", "x-key"),
        good.replace("GET", "POST"), good.replace(target.address.path, "/other"), good.replace("Upgrade:", "x-up:"),
        good.replace("HTTP/1.1", "HTTP/1.0"), good.replace("Host:", "x-host:"), good.replace("\r\n", "\n"),
        good.replace("Upgrade: websocket", "Upgrade: h2c"), good.replace(" HTTP/1.1", ""),
        good.replace("Sec-WebSocket-Key: ", "Sec-WebSocket-Key: !"),
    ]
    await exchange(target, [head.encode() for head in heads], 32)


@client()
async def other_hosts(target: Target) -> None:
    """Sends handshakes with rebound and malformed names in `Host` and foreign origins, from 32 workers."""
    good = handshake(target.address).decode()
    names = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "[::1", "", "a" * 5_000, "\0"]
    heads = [good.replace(f"Host: {target.address.authority}", f"Host: {name}") for name in names]
    origins = ["https://evil.example", "null", "x" * 8_000, "http://localhost.evil.example", "file://"]
    heads += [good[:-2] + f"Origin: {origin}\r\n\r\n" for origin in origins]
    await exchange(target, [head.encode() for head in heads], 32)


@client()
async def keep_alive(target: Target) -> None:
    """Sends requests without an upgrade on 64 connections that stay open."""
    request = f"GET {target.address.path} HTTP/1.1\r\nHost: {target.address.authority}\r\n\r\n".encode()

    async def once(_: int) -> None:
        socket = await Socket.dial(target.address)
        try:
            while target.running():
                await socket.send(request)
                await socket.read_status()
                target.tally.add()
        finally:
            socket.reset()

    await repeat(target, 64, once)


@client()
async def pipelined_requests(target: Target) -> None:
    """Sends 1,000 requests at once on a connection, and reads no response, from 8 workers."""
    request = f"GET {target.address.path} HTTP/1.1\r\nHost: {target.address.authority}\r\n\r\n".encode()
    await exchange(target, [request * 1_000], 8)


@client()
async def other_protocols(target: Target) -> None:
    """Speaks TLS, HTTP/2, a proxy's requests, and noise, from 32 workers."""
    noise = bytes((number * 7_919 + 13) % 256 for number in range(20_000))
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise[:506]
    await exchange(
        target,
        [
            hello, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n", noise,
            b"GET http://169.254.169.254/ HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 10_000, b"\r\n" * 10_000,
            b"G" * 40_000, b"GET / HTTP/9.9\r\n\r\n", b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
        ],
        32,
    )


@client()
async def smuggled_requests(target: Target) -> None:
    """Sends conflicting lengths, odd chunks and folded headers, from 32 workers."""
    path, host = f"{target.address.path}/@connections/x", target.address.authority
    start = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n"
    bodies = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "Content-Length: -1\r\n\r\n",
        "Content-Length: 99999999999999999999\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nx",
        "Transfer-Encoding: chunked\r\n\r\n5;" + "e" * 20_000 + "\r\nhello\r\n0\r\n\r\n",
        "x-folded: a\r\n b\r\n\r\n", "Expect: 100-continue\r\nContent-Length: 131072\r\n\r\n",
    ]
    await exchange(target, [(start + body).encode() for body in bodies], 32)


@client(manifest=Manifest(authorizer=True), shares_connect=True)
async def refused_by_the_authorizer(target: Target) -> None:
    """Sends handshakes that the authorizer refuses, from 64 workers."""

    async def once(_: int) -> None:
        try:
            await Socket.open(target.address, "authorize=deny")
        except Refused:
            target.tally.add()

    await repeat(target, 64, once)


async def handshakes(target: Target, headers: Iterable[str], workers: int = 32) -> None:
    """Sends handshakes with these headers. The server may accept or refuse them."""
    lines = list(headers)

    async def once(_: int) -> None:
        try:
            (await Socket.open(target.address, headers=lines)).leave()
        finally:
            target.tally.add()

    await repeat(target, workers, once)


async def exchange(target: Target, requests: list[bytes], workers: int) -> None:
    """Sends each of the requests on a connection of its own, and reads one response if there is one soon."""

    async def once(number: int) -> None:
        for data in requests:
            socket = await Socket.dial(target.address)
            try:
                await socket.send(data)
                await wait_for_a_response(socket)
            finally:
                target.tally.add()
                socket.reset()

    await repeat(target, workers, once)


async def wait_for_a_response(socket: Socket) -> None:
    """Reads the beginning of a response. Silence is an answer too."""
    try:
        async with asyncio.timeout(0.2):
            await socket.reader.read(65_536)
    except TimeoutError:
        pass
