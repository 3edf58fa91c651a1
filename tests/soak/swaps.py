"""Moves of the pointer one after the other, each of which changes what answers somebody, and what is expected then."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from load import Load
from releases import Versions, percent, remainder


@dataclass(frozen=True)
class Move:
    """A command on releases, and what runs after it: the texts of versions, and the canary's share."""

    command: tuple[str, ...]
    stable: str
    canary: str | None = None
    share: int = 0

    def version(self, ids: dict[str, str], connection: str) -> str:
        """What answers a connection."""
        if self.canary and remainder(ids[self.canary], connection) < self.share:
            return self.canary
        return self.stable


def moves(ids: dict[str, str], connections: list[str]) -> Iterator[Move]:
    """Activations, canaries, promotions and rollbacks without end. Each is a change for some of the connections."""
    texts = itertools.cycle(ids)

    def canary(stable: str, text: str, part: float) -> Move:
        remainders = sorted(remainder(ids[text], connection) for connection in connections)
        # It takes the connection at the edge, and no other above it.
        share = remainders[int(len(remainders) * part)] + 1
        return Move(("canary", ids[text], "--percent", percent(share)), stable, text, share)

    while True:
        one, two, three = next(texts), next(texts), next(texts)
        yield Move(("activate", ids[one]), one)
        yield canary(one, two, 0.25)
        yield canary(one, two, 0.5)
        yield Move(("promote",), two)
        yield Move(("rollback",), one)
        yield canary(one, three, 0.5)
        yield Move(("rollback",), one)


@dataclass
class Figures:
    """What was measured."""

    swaps: int = 0
    events: int = 0
    seconds: float = 0.0
    # From the command's start to the first answer of a version that it brought, and to everybody's.
    first: list[float] = field(default_factory=list)
    everybody: list[float] = field(default_factory=list)
    # What the samples told after each swap.
    samples: list[dict[str, float]] = field(default_factory=list)

    def around(self, swap: int, name: str) -> float:
        """The median of the samples up to a swap: single ones have the buffers of whatever was under way."""
        near = self.samples[: swap][-max(1, self.swaps // 20) :]
        return statistics.median(sample[name] for sample in near)

    def __str__(self) -> str:
        first, everybody = (statistics.quantiles(it, n=100) for it in (self.first, self.everybody))
        rate = self.events / self.seconds
        lines = [
            f"{self.swaps} swaps and {self.events} events in {self.seconds:.0f} s ({rate:.0f} a second)",
            f"from the command to the first new answer: p50 {first[49] * 1_000:.0f} ms, p99 {first[98] * 1_000:.0f} ms",
            f"from the command to everybody's: p50 {everybody[49] * 1_000:.0f} ms, p99 {everybody[98] * 1_000:.0f} ms",
        ]
        tenth = max(1, self.swaps // 10)
        for name in self.samples[0]:
            told = ", ".join(f"{self.around(swap, name):.1f}" for swap in range(tenth, self.swaps + 1, tenth))
            lines.append(f"{name}, each {tenth} swaps: {told}")
        return "\n".join(lines)


async def swap(
    app: Versions, ids: dict[str, str], load: Load, count: int, sample: Callable[[], dict[str, float]]
) -> Figures:
    """Makes `count` swaps. Each is over when every connection was answered as it must be after it."""
    figures = Figures()
    await load.wait_for_all()
    began = time.monotonic()
    connections = [connection.id for connection in load.connections]
    for move in itertools.islice(moves(ids, connections), count):
        expected = {it.id: move.version(ids, it.id) for it in load.connections}
        changed = {it.id: expected[it.id] for it in load.connections if it.version != expected[it.id]}
        assert changed, f"{move} changes nothing for anybody"
        moved = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(app.do, *move.command))
            await load.wait_for_one(changed)
            figures.first.append(time.monotonic() - moved)
            await load.wait_for(expected)
            figures.everybody.append(time.monotonic() - moved)
        figures.swaps += 1
        figures.samples.append(sample())
    figures.seconds, figures.events = time.monotonic() - began, load.events
    return figures
