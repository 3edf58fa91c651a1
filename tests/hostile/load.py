"""Building blocks of attacks: sockets that are opened together, and loads that are kept up until the attack ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

from .app import route
from .attack import Target
from .wire import Ended, Refused, Socket

# Failures that an attacker expects, and goes on.
EXPECTED = (Ended, Refused, TimeoutError, OSError, asyncio.IncompleteReadError)
# Seconds in which sockets may be opened after the end of the attack.
OPENING = 20.0
# Beginnings of messages that programs send to connections. Any other message is an answer.
PUSHED = (b"mmm", b"bbb", b"ggg", b"hhh", b"hello")


def command(program: str, number: int = 0) -> str:
    """Returns a message that runs a program on one of the attacker's routes."""
    return f'{{"action":"{route(number)}","do":"{program}"}}'


async def until_end(target: Target, *work: Awaitable[object], more: float = 0.0) -> None:
    """Runs all work until it is done, or until a time after the end of the attack.

    Failures of connections are the attacker's own affair.
    """

    async def quietly(one: Awaitable[object]) -> None:
        with contextlib.suppress(*EXPECTED):
            await one

    tasks = [asyncio.ensure_future(quietly(one)) for one in work]
    await asyncio.wait(tasks, timeout=target.left + more)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def repeat(target: Target, workers: int, once: Callable[[int], Awaitable[object]]) -> None:
    """Runs `once` in a loop, in a number of workers, until the attack ends. Failures do not end a worker."""

    async def worker(number: int) -> None:
        while target.running():
            try:
                await once(number)
            except EXPECTED:
                await asyncio.sleep(0.005)

    await until_end(target, *(worker(number) for number in range(workers)))


async def open_many(target: Target, count: int, query: str = "", at_once: int = 64) -> list[Socket]:
    """Opens sockets, and returns those that the server accepted. Opening may take longer than the attack."""
    slots = asyncio.Semaphore(at_once)
    opened: list[Socket] = []

    async def one() -> None:
        async with slots:
            with contextlib.suppress(*EXPECTED):
                opened.append(await Socket.open(target.address, query))
                target.tally.add()

    await until_end(target, *(one() for _ in range(count)), more=OPENING)
    return opened


async def flood(target: Target, socket: Socket, messages: Iterable[str], in_flight: int) -> None:
    """Keeps a number of messages in flight on one connection: each answer is followed by the next message."""
    supply = iter(messages)
    for _ in range(in_flight):
        await socket.text(next(supply))
    async for payload in socket.messages():
        if payload.startswith(PUSHED):
            continue
        target.tally.add()
        await socket.text(next(supply))


async def drain(socket: Socket) -> None:
    """Reads and forgets all that arrives."""
    async for _ in socket.messages():
        pass


async def hold(target: Target, least: float = 2.0) -> None:
    """Waits until the attack ends, and for a time in which late effects are seen."""
    await asyncio.sleep(max(target.left, least))
