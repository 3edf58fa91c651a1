"""Clients that send messages: too many, too large, and such as are hard to parse."""

from __future__ import annotations

import asyncio
import itertools
import json

from ..app import ONE_WAY
from ..attack import Manifest, Target, client
from ..load import command, flood, repeat
from ..wire import TEXT, Ended, Socket, frame

LARGEST = 131_072
# Largest message in one frame.
LARGEST_FRAME = 32 << 10


@client(manifest=Manifest(time="29s"))
async def two_clients_fill_all_slots(target: Target) -> None:
    """Sends 64 messages on each of two connections, to a guest that sleeps for 28 s."""
    await keep_in_flight(target, 2, 64, [command("sleep 28000")])


@client()
async def pipeline_1000(target: Target) -> None:
    """Keeps 1,000 messages in flight on each of 4 connections."""
    await keep_in_flight(target, 4, 1_000, [command("nothing")])


@client()
async def pipeline_1000_slow(target: Target) -> None:
    """Keeps 1,000 messages in flight on each of 4 connections, to a guest that computes for 5 ms."""
    await keep_in_flight(target, 4, 1_000, [command("compute 5000")])


@client()
async def pipeline_and_leave(target: Target) -> None:
    """Sends 64 messages to a guest that computes, and leaves, from 32 workers."""

    async def once(number: int) -> None:
        socket = await Socket.open(target.address)
        await socket.send(frame(TEXT, command("spin", number).encode()) * 64)
        await asyncio.sleep(0.02)
        socket.reset()
        target.tally.add()

    await repeat(target, 32, once)


@client()
async def one_way_flood(target: Target) -> None:
    """Sends messages without a pause on 8 connections to a one-way route, whose guest computes for 5 ms."""
    await send_without_pause(target, 8, "compute 5000")


@client()
async def one_way_sleepers(target: Target) -> None:
    """Sends messages without a pause on 8 connections to a one-way route, whose guest sleeps for 1.9 s."""
    await send_without_pause(target, 8, "sleep 1900")


@client()
async def all_at_once(target: Target) -> None:
    """Runs 16 programs at once, each on a route and four connections of its own."""
    programs = [
        "spin", "sleep 1900", "update_names", "transact_loop", "fill 40", "send_many_gone", "lines", "members 200000",
        "huge_error", "send_self", "hold 40", "pollables", "join_and_leave", "largest_reply", "overflow", "recurse",
    ]

    async def once(number: int) -> None:
        socket = await Socket.open(target.address)
        message = command(programs[number % len(programs)], number)
        try:
            await flood(target, socket, itertools.repeat(message), 8)
        finally:
            socket.reset()

    await repeat(target, 4 * len(programs), once)


@client()
async def never_reads(target: Target) -> None:
    """Sends messages on 32 connections, whose replies of 128 KiB it never reads."""

    async def once(number: int) -> None:
        socket = await Socket.open(target.address)
        socket.writer.transport.pause_reading()
        try:
            while target.running():
                await socket.text(command("largest_reply", number))
                target.tally.add()
                await asyncio.sleep(0.002)
        finally:
            socket.reset()

    await repeat(target, 32, once)


@client()
async def reads_slowly(target: Target) -> None:
    """Reads replies of 128 KiB at 4 KiB every 10 ms, on 32 connections."""

    async def once(number: int) -> None:
        socket = await Socket.open(target.address)
        try:
            for _ in range(8):
                await socket.text(command("largest_reply", number))
            while target.running():
                await socket.reader.readexactly(4_096)
                await asyncio.sleep(0.01)
                target.tally.add()
        finally:
            socket.reset()

    await repeat(target, 32, once)


@client()
async def deep_json(target: Target) -> None:
    """Sends 32 KiB of opening brackets."""
    await keep_in_flight(target, 4, 8, ["[" * LARGEST_FRAME, '{"action":' * 3_000])


@client()
async def wide_json(target: Target) -> None:
    """Sends objects with 4,000 members before the one that selects the route."""
    members = ",".join(f'"m{number}":0' for number in range(3_000))
    await keep_in_flight(target, 4, 8, [f'{{{members},"action":"a00","do":"nothing"}}'])


@client()
async def repeated_names(target: Target) -> None:
    """Sends objects with the same name 2,000 times."""
    await keep_in_flight(target, 4, 8, ["{" + '"action":"a01",' * 2_000 + '"action":"a00","do":"nothing"}'])


@client()
async def long_route_keys(target: Target) -> None:
    """Selects routes by keys of 30 KiB that do not exist."""
    await keep_in_flight(target, 4, 8, [json.dumps({"action": "r" * 30_000})])


@client()
async def unknown_routes(target: Target) -> None:
    """Selects routes that do not exist, and those that it may not select."""
    keys = ["none", "$connect", "$disconnect", "$default", "", "a00\0", "\u001b[2J", "A00", "echo "]
    await keep_in_flight(target, 8, 16, [json.dumps({"action": key}) for key in keys])


@client()
async def not_json(target: Target) -> None:
    """Sends text that is not JSON."""
    texts = ["", "{", "nul", "\ufeff{}", '{"action":"a00"', "'", "NaN", '{"action":1e999}', '{"action":"\\ud800"}']
    await keep_in_flight(target, 8, 16, texts)


@client()
async def large_numbers(target: Target) -> None:
    """Selects by a number of 30,000 digits."""
    await keep_in_flight(target, 4, 8, [f'{{"action":{"9" * 30_000}}}', f'{{"action":1e{"9" * 20_000}}}'])


@client()
async def largest_messages(target: Target) -> None:
    """Sends messages of 128 KiB, in frames of 32 KiB, which a guest returns."""
    text = '{"action":"a00","do":"echo_back","x":"' + "x" * (LARGEST - 60) + '"}'
    await send_in_frames(target, 8, text)


@client()
async def too_large_messages(target: Target) -> None:
    """Sends messages above 128 KiB, in frames of 32 KiB."""
    await send_in_frames(target, 16, '{"action":"a00","x":"' + "x" * (LARGEST + 1_000) + '"}')


@client()
async def too_large_frames(target: Target) -> None:
    """Sends frames of 1 MiB."""

    async def once(_: int) -> None:
        socket = await Socket.open(target.address)
        try:
            await socket.send(frame(TEXT, b"x" * (1 << 20)))
            while True:
                await socket.read()
        finally:
            target.tally.add()
            socket.reset()

    await repeat(target, 16, once)


@client()
async def forged_log_lines(target: Target) -> None:
    """Sends line feeds, escapes and terminal controls in every part that may be logged."""
    forged = "x\r\n2026-01-01T00:00:00Z ERROR tidegate: forged\n\u001b]0;owned\u0007"
    await keep_in_flight(
        target, 4, 8, [json.dumps({"action": forged}), json.dumps({"action": "a00", "do": forged}), forged]
    )


async def send_without_pause(target: Target, connections: int, program: str) -> None:
    """Sends messages to the one-way route as fast as the server takes them."""
    message = frame(TEXT, f'{{"action":"{ONE_WAY}","do":"{program}"}}'.encode())

    async def once(_: int) -> None:
        socket = await Socket.open(target.address)
        try:
            while target.running():
                await socket.send(message * 10)
                target.tally.add(10)
                await asyncio.sleep(0)
        finally:
            socket.reset()

    await repeat(target, connections, once)


async def keep_in_flight(target: Target, connections: int, in_flight: int, texts: list[str]) -> None:
    """Sends the texts in turn, with a number of them in flight on each connection."""

    async def once(_: int) -> None:
        socket = await Socket.open(target.address)
        try:
            await flood(target, socket, itertools.cycle(texts), in_flight)
        finally:
            socket.reset()

    await repeat(target, connections, once)


async def send_in_frames(target: Target, workers: int, text: str) -> None:
    """Sends a message in frames of 32 KiB, waits for the answer or the close, and starts again."""
    data = text.encode()
    parts = [data[at : at + LARGEST_FRAME] for at in range(0, len(data), LARGEST_FRAME)]
    message = b"".join(
        frame(0 if at else TEXT, part, final=at == len(parts) - 1) for at, part in enumerate(parts)
    )

    async def once(_: int) -> None:
        socket = await Socket.open(target.address)
        try:
            while target.running():
                await socket.send(message)
                await anext(socket.messages())
                target.tally.add()
        except Ended:
            # The server closes the connection that sent a message above the limit.
            target.tally.add()
        finally:
            socket.reset()

    await repeat(target, workers, once)
