"""Clients that send frames which are legal but costly, or not legal at all (RFC 6455)."""

from __future__ import annotations

import asyncio
import struct

from ..attack import Target, client
from ..load import command, open_many, repeat, until_end
from ..wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Socket, frame

LARGEST_CONTROL = b"p" * 125


@client()
async def pings_unread(target: Target) -> None:
    """Sends pings of 125 bytes on one connection, and never reads the pongs."""
    await push_unread(target, 1, frame(PING, LARGEST_CONTROL) * 500, 500)


@client()
async def pings_unread_on_16(target: Target) -> None:
    """Sends pings on 16 connections, and never reads the pongs."""
    await push_unread(target, 16, frame(PING, LARGEST_CONTROL) * 100, 100)


@client()
async def pings(target: Target) -> None:
    """Sends pings on 8 connections, and reads the pongs."""

    async def once(_: int) -> None:
        socket = await Socket.open(target.address)
        while target.running():
            await socket.send(frame(PING, LARGEST_CONTROL) * 20)
            for _ in range(20):
                await socket.read()
            target.tally.add(20)

    await repeat(target, 8, once)


@client()
async def empty_pings(target: Target) -> None:
    """Sends pings of no bytes on 4 connections, and never reads the pongs."""
    await push_unread(target, 4, frame(PING) * 1_000, 1_000)


@client()
async def pongs(target: Target) -> None:
    """Sends pongs that nobody asked for, on 4 connections."""
    await push_unread(target, 4, frame(PONG, LARGEST_CONTROL) * 200, 200)


@client()
async def fragments_without_end(target: Target) -> None:
    """Sends fragments of a message that does not end, on 8 connections."""
    await push(target, 8, frame(TEXT, b"x" * 1_000, final=False), frame(CONTINUATION, b"x" * 1_000, final=False) * 50)


@client()
async def empty_fragments(target: Target) -> None:
    """Sends fragments of no bytes without end, on 8 connections."""
    await push(target, 8, frame(TEXT, b"", final=False), frame(CONTINUATION, b"", final=False) * 1_000)


@client()
async def pings_between_fragments(target: Target) -> None:
    """Sends a message in single bytes, with a ping between each two."""
    step = frame(CONTINUATION, b"x", final=False) + frame(PING, LARGEST_CONTROL)
    await push(target, 4, frame(TEXT, b"x", final=False), step * 100)


@client()
async def unknown_opcodes(target: Target) -> None:
    """Sends frames with reserved opcodes, from 32 workers."""
    await offend(target, 32, b"".join(frame(opcode, b"x") for opcode in (0x3, 0x7, 0xB, 0xF)))


@client()
async def reserved_bits(target: Target) -> None:
    """Sends frames with reserved bits, from 32 workers."""
    await offend(target, 32, frame(TEXT | 0x70, b"x"))


@client()
async def unmasked_frames(target: Target) -> None:
    """Sends frames without a mask, from 32 workers."""
    await offend(target, 32, frame(TEXT, b"not masked", masked=False))


@client()
async def impossible_lengths(target: Target) -> None:
    """Announces frames of 2⁶³ bytes, from 32 workers."""
    await offend(target, 32, struct.pack(">BBQ", 0x81, 0xFF, (1 << 64) - 1) + bytes(4))


@client()
async def large_announcements(target: Target) -> None:
    """Announces frames of 4 GiB on 500 connections, and sends a byte of each now and then."""
    await trickle(target, 500, struct.pack(">BBQ", 0x81, 0xFF, 1 << 32) + bytes(4))


@client()
async def half_frames(target: Target) -> None:
    """Announces messages of 128 KiB on 1,000 connections, and sends a byte of each now and then."""
    await trickle(target, 1_000, struct.pack(">BBQ", 0x81, 0xFF, 131_072) + bytes(4))


@client()
async def nearly_whole_frames(target: Target) -> None:
    """Sends all but the last byte of messages of 30 KiB on 500 connections."""
    await trickle(target, 500, frame(TEXT, b"x" * 30_000)[:-1_000])


@client()
async def byte_by_byte(target: Target) -> None:
    """Sends messages as single bytes, each in a segment of its own, on 32 connections."""

    async def once(_: int) -> None:
        socket = await Socket.open(target.address)
        message = frame(TEXT, command("nothing").encode())
        while target.running():
            for byte in message:
                await socket.send(bytes([byte]))
                await asyncio.sleep(0)
            await anext(socket.messages())
            target.tally.add()

    await repeat(target, 32, once)


@client()
async def bad_close_codes(target: Target) -> None:
    """Closes with codes and reasons that are not allowed, from 32 workers."""
    codes = [struct.pack(">H", code) for code in (0, 999, 1004, 1005, 1006, 5000, 65535)]
    payloads = [b"", b"x", *codes, codes[0] + b"\xff" * 123, b"\x03\xe8" + b"r" * 123]

    async def once(number: int) -> None:
        for payload in payloads:
            await offend_once(target, frame(CLOSE, payload))

    await repeat(target, 32, once)


@client()
async def bad_utf8(target: Target) -> None:
    """Sends text that is not UTF-8, whole and in fragments, from 32 workers."""
    await offend(target, 32, frame(TEXT, b'{"action":"a00","x":"\xc3', final=False) + frame(CONTINUATION, b"\xff"))


@client()
async def binary_messages(target: Target) -> None:
    """Sends binary messages, from 32 workers."""
    await offend(target, 32, frame(BINARY, bytes(range(256)) * 100))


@client()
async def talk_after_close(target: Target) -> None:
    """Sends messages without end after its own close frame, on 16 connections."""
    close = frame(CLOSE, struct.pack(">H", 1000))
    await push(target, 16, close, frame(TEXT, command("nothing").encode()) * 50)


@client()
async def close_not_answered(target: Target) -> None:
    """Lets 500 guests close its connections, and neither answers nor leaves."""
    opened = await open_many(target, target.scaled(500))

    async def one(socket: Socket) -> None:
        await socket.text(command("close_self"))
        target.tally.add()

    await until_end(target, *(one(socket) for socket in opened))
    await asyncio.sleep(target.left)
    for socket in opened:
        socket.reset()


async def push_unread(target: Target, workers: int, data: bytes, count: int) -> None:
    """Sends the same frames again and again, and reads nothing."""

    async def once(_: int) -> None:
        socket = await Socket.open(target.address)
        socket.writer.transport.pause_reading()
        try:
            while target.running():
                await socket.send(data)
                target.tally.add(count)
                await asyncio.sleep(0)
        finally:
            socket.reset()

    await repeat(target, workers, once)


async def push(target: Target, workers: int, first: bytes, more: bytes) -> None:
    """Sends a beginning, then the same frames again and again, and reads nothing. Starts again when it is closed."""

    async def once(_: int) -> None:
        socket = await Socket.open(target.address)
        try:
            await socket.send(first)
            while target.running():
                await socket.send(more)
                await asyncio.sleep(0)
        finally:
            target.tally.add()
            socket.reset()

    await repeat(target, workers, once)


async def offend(target: Target, workers: int, data: bytes) -> None:
    """Connects, sends what is not allowed, reads until the server closes, and starts again."""

    async def once(_: int) -> None:
        await offend_once(target, data)

    await repeat(target, workers, once)


async def offend_once(target: Target, data: bytes) -> None:
    socket = await Socket.open(target.address)
    try:
        await socket.send(data)
        while True:
            await socket.read()
    finally:
        target.tally.add()
        socket.reset()


async def trickle(target: Target, count: int, beginning: bytes) -> None:
    """Sends the same beginning on many connections, and then one byte a second on each."""
    opened = await open_many(target, target.scaled(count))

    async def one(socket: Socket) -> None:
        await socket.send(beginning)
        while target.running():
            await asyncio.sleep(1)
            await socket.send(b"x")

    await until_end(target, *(one(socket) for socket in opened))
    for socket in opened:
        socket.reset()
