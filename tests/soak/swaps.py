"""Rollout commands, one after the other, and the version that each connection must reach after each of them."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from load import Load
from releases import VersionedApp, percent, remainder


@dataclass(frozen=True)
class Move:
    """A rollout command and the state after it: version texts, and the canary's share in hundredths of a percent."""

    command: tuple[str, ...]
    stable: str
    canary: str | None = None
    share: int = 0

    def version(self, ids: dict[str, str], connection: str) -> str:
        """Returns the version that must answer a connection."""
        if self.canary and remainder(ids[self.canary], connection) < self.share:
            return self.canary
        return self.stable


def moves(ids: dict[str, str], connections: list[str]) -> Iterator[Move]:
    """Yields activations, canaries, promotions and rollbacks without end. Each changes some connections' version."""
    texts = itertools.cycle(ids)

    def canary(stable: str, text: str, part: float) -> Move:
        remainders = sorted(remainder(ids[text], connection) for connection in connections)
        # The smallest share that includes this part of the connections.
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
    """The measurements of a run."""

    swaps: int = 0
    events: int = 0
    seconds: float = 0.0
    # Seconds from the start of the command to the first reply of a new version, and until every connection has it.
    first: list[float] = field(default_factory=list)
    every: list[float] = field(default_factory=list)
    # Samples after each swap.
    samples: list[dict[str, float]] = field(default_factory=list)

    def around(self, swap: int, name: str) -> float:
        """Returns the median of the last samples up to a swap, because single samples include temporary buffers."""
        near = self.samples[: swap][-max(1, self.swaps // 20) :]
        return statistics.median(sample[name] for sample in near)

    def __str__(self) -> str:
        first, every = (statistics.quantiles(times, n=100) for times in (self.first, self.every))
        rate = self.events / self.seconds
        lines = [
            f"{self.swaps} swaps and {self.events} events in {self.seconds:.0f} s ({rate:.0f} a second)",
            f"from the command to the first new reply: p50 {first[49] * 1_000:.0f} ms, p99 {first[98] * 1_000:.0f} ms",
            f"from the command to all new replies: p50 {every[49] * 1_000:.0f} ms, p99 {every[98] * 1_000:.0f} ms",
        ]
        tenth = max(1, self.swaps // 10)
        for name in self.samples[0]:
            medians = ", ".join(f"{self.around(swap, name):.1f}" for swap in range(tenth, self.swaps + 1, tenth))
            lines.append(f"{name}, every {tenth} swaps: {medians}")
        return "\n".join(lines)


async def swap(
    app: VersionedApp, ids: dict[str, str], load: Load, count: int, sample: Callable[[], dict[str, float]]
) -> Figures:
    """Makes `count` swaps. Each ends when every connection has a reply from its expected version."""
    figures = Figures()
    await load.wait_for_all()
    began = time.monotonic()
    connections = [connection.id for connection in load.connections]
    for move in itertools.islice(moves(ids, connections), count):
        expected = {one.id: move.version(ids, one.id) for one in load.connections}
        changed = {one.id: expected[one.id] for one in load.connections if one.version != expected[one.id]}
        assert changed, f"{move} changes no connection"
        moved = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(app.release, *move.command))
            await load.wait_for_one(changed)
            figures.first.append(time.monotonic() - moved)
            await load.wait_for(expected)
            figures.every.append(time.monotonic() - moved)
        figures.swaps += 1
        figures.samples.append(sample())
    figures.seconds, figures.events = time.monotonic() - began, load.events
    return figures
