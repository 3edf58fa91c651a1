"""Clients that connect in great number, slowly, by half, and that leave at the worst moment."""

from __future__ import annotations

import asyncio
import socket as sockets
import struct

from ..attack import Manifest, Target, client
from ..load import EXPECTED, hold, open_many, repeat, until_end
from ..wire import Socket, handshake

# Ends a TCP connection with RST instead of FIN.
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


@client()
async def connect_flood(target: Target) -> None:
    """Opens connections and closes them, as fast as it can, from 64 workers."""

    async def once(_: int) -> None:
        socket = await Socket.open(target.address)
        target.tally.add()
        socket.leave()

    await repeat(target, 64, once)


@client()
async def half_open(target: Target) -> None:
    """Opens 2,000 TCP connections, and sends nothing."""
    await keep_dialled(target, 2_000, b"")


@client()
async def half_a_head(target: Target) -> None:
    """Opens 2,000 TCP connections, and sends half of a request's head."""
    await keep_dialled(target, 2_000, handshake(target.address)[:60])


@client()
async def slow_heads(target: Target) -> None:
    """Sends the heads of 500 requests, one byte every 10 ms."""

    async def once(_: int) -> None:
        socket = await Socket.dial(target.address)
        try:
            for byte in handshake(target.address):
                await socket.send(bytes([byte]))
                await asyncio.sleep(0.01)
            target.tally.add()
        finally:
            socket.reset()

    await repeat(target, target.scaled(500), once)


@client()
async def endless_head(target: Target) -> None:
    """Sends headers that do not end, on 32 connections."""

    async def once(_: int) -> None:
        socket = await Socket.dial(target.address)
        try:
            await socket.send(handshake(target.address)[:-2])
            while target.running():
                await socket.send(b"x-more: " + b"y" * 1_000 + b"\r\n")
        finally:
            target.tally.add()
            socket.reset()

    await repeat(target, 32, once)


@client(manifest=Manifest(time="29s"), shares_connect=True)
async def slow_connects_that_leave(target: Target) -> None:
    """Starts 1,000 handshakes whose `$connect` sleeps for 28 s, and leaves at once."""

    async def once(_: int) -> None:
        socket = await Socket.dial(target.address)
        await socket.send(handshake(target.address, "do=sleep%2028000"))
        await asyncio.sleep(0.05)
        socket.reset()
        target.tally.add()

    for _ in range(target.scaled(1_000) // 50 or 1):
        await until_end(target, *(once(number) for number in range(50)))
    await hold(target)


@client(manifest=Manifest(time="29s"), shares_connect=True)
async def slow_connects_that_stay(target: Target) -> None:
    """Starts 1,000 handshakes whose `$connect` sleeps for 28 s, and waits."""
    await keep_dialled(target, 1_000, handshake(target.address, "do=sleep%2028000"))


@client(shares_connect=True)
async def slow_connects_of_2_s(target: Target) -> None:
    """Keeps up 1,000 handshakes whose `$connect` sleeps for 1.9 s."""

    async def once(_: int) -> None:
        try:
            (await Socket.open(target.address, "do=sleep%201900")).leave()
        finally:
            target.tally.add()

    await repeat(target, target.scaled(1_000), once)


@client(manifest=Manifest(disconnect=True))
async def close_at_once(target: Target) -> None:
    """Opens 9,000 connections, and closes all of them at once."""
    opened = await open_many(target, target.scaled(9_000))
    for socket in opened:
        socket.leave()
    target.tally.add(len(opened))
    await hold(target)


@client(manifest=Manifest(disconnect=True, authorizer=True), shares_connect=True)
async def spinning_disconnects_at_once(target: Target) -> None:
    """Opens 500 connections whose `$disconnect` computes until its deadline, and resets all of them at once."""
    opened = await open_many(target, target.scaled(500), "leave=spin")
    for socket in opened:
        socket.reset()
    target.tally.add(len(opened))
    await hold(target)


@client(manifest=Manifest(disconnect=True))
async def reset_after_handshake(target: Target) -> None:
    """Opens connections and resets them, from 64 workers."""

    async def once(_: int) -> None:
        socket = await Socket.open(target.address)
        target.tally.add()
        reset(socket)

    await repeat(target, 64, once)


@client()
async def reset_during_handshake(target: Target) -> None:
    """Sends handshakes and resets the connection before the response, from 64 workers."""

    async def once(_: int) -> None:
        socket = await Socket.dial(target.address)
        await socket.send(handshake(target.address))
        reset(socket)
        target.tally.add()
        await asyncio.sleep(0)

    await repeat(target, 64, once)


@client(manifest=Manifest(disconnect=True))
async def vanish(target: Target) -> None:
    """Opens connections and closes the TCP connection without a close frame, from 64 workers."""

    async def once(_: int) -> None:
        socket = await Socket.open(target.address)
        target.tally.add()
        socket.writer.close()

    await repeat(target, 64, once)


@client()
async def idle_crowd(target: Target) -> None:
    """Opens 5,000 connections, and says nothing."""
    opened = await open_many(target, target.scaled(5_000))
    await hold(target)
    for socket in opened:
        socket.reset()


@client()
async def unread_greetings(target: Target) -> None:
    """Opens 150 connections to which `$connect` sends 64 messages of 128 KiB, and reads none."""

    async def once() -> None:
        socket = await Socket.dial(target.address)
        socket.writer.transport.pause_reading()
        await socket.send(handshake(target.address, "do=greet"))
        target.tally.add()
        await hold(target)
        socket.reset()

    await until_end(target, *(once() for _ in range(target.scaled(150))))


async def keep_dialled(target: Target, count: int, beginning: bytes) -> None:
    """Opens TCP connections, sends a beginning on each, and keeps them until the attack ends."""
    slots = asyncio.Semaphore(64)
    opened: list[Socket] = []

    async def one() -> None:
        async with slots:
            try:
                socket = await Socket.dial(target.address)
                opened.append(socket)
                await socket.send(beginning)
                target.tally.add()
            except EXPECTED:
                pass

    await until_end(target, *(one() for _ in range(target.scaled(count))))
    await hold(target)
    for socket in opened:
        socket.reset()


def reset(socket: Socket) -> None:
    """Ends a connection with RST."""
    raw = socket.writer.get_extra_info("socket")
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, RESET_AT_CLOSE)
    socket.reset()
