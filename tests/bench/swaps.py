#!/usr/bin/env python3
"""Measures how long a new version takes to answer: from asking for it to its first reply to who asks without end.

Every turn visits every peer, so that a machine that slows down slows all of them; the others are idle meanwhile.
Absolute numbers mean little, and most of what is told are ratios of one run.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import machine
from asker import Asker, Event
from functions import unpack
from swapped import STALENESS, MiniStack, Peer, Released, Reloading, copied, published, version
from tables import keep, number, verdict

SECTION = "swaps"
OWN, LAMBDA, FROZEN = "tidegate dev", "tidegate dev --lambda", "tidegate dev --lambda --freeze"
TEXTS = [version(number) for number in range(1, 6)]
# In how many turns the swaps of a peer come.
TURNS = 6
# From the command to the first reply.
LIMIT_MS = 20.0


@dataclass
class Swaps:
    """What was measured of one peer, in milliseconds."""

    # From asking for a version to its first reply, and to the end of the command or call.
    reply: list[float] = field(default_factory=list)
    command: list[float] = field(default_factory=list)
    # From the replacement of the pointer to the first reply, where there is a pointer.
    pointer: list[float] = field(default_factory=list)
    # What must not happen, by what it is: sockets that were ended, questions without an answer, answers that are none.
    wrong: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    # How long one answer takes, by turn.
    p50: list[float] = field(default_factory=list)
    longest: float = 0.0

    def hear(self, events: list[Event]) -> None:
        self.wrong.update(event.what for event in events if event.what in ("dropped", "silent", "failed"))

    def add(self, began: int, ended: int, events: list[Event]) -> None:
        """Adds a swap, whose first reply is the last event."""
        self.hear(events)
        answered = events[-1].at_ns
        self.reply.append((answered - began) / 1e6)
        self.command.append((ended - began) / 1e6)
        replaced = [event.at_ns for event in events if event.what == "replaced" and event.at_ns > began]
        self.pointer += [(answered - at) / 1e6 for at in replaced]

    def end(self, events: list[Event]) -> None:
        """Adds the end of a turn, whose last event has the totals."""
        self.hear(events)
        totals = events[-1].told
        self.wrong["stray"] += totals["strays"]
        self.answers += totals["answers"]
        self.p50.append(totals["p50_us"] / 1e3)
        self.longest = max(self.longest, totals["longest_us"] / 1e3)


def percentile(readings: list[float], percent: int) -> float:
    return statistics.quantiles(readings, n=100, method="inclusive")[percent - 1]


def turn(options: argparse.Namespace, peer: Peer, texts: Iterator[str], swaps: Swaps) -> None:
    with Asker(options.ask, peer.url, peer.pointer) as asker:
        asker.until("answered")
        for _ in range(-(-options.swaps // TURNS)):
            time.sleep(peer.rest())
            text = next(texts)
            began = time.monotonic_ns()
            peer.swap(text)
            ended = time.monotonic_ns()
            try:
                swaps.add(began, ended, asker.until("answered", version=text))
            except TimeoutError as error:
                # MiniStack now and then goes on with the old code after it said that it has the new one.
                swaps.wrong["never"] += 1
                print(f"{peer.name}: {error}", file=sys.stderr, flush=True)
                continue
            print(f"{peer.name}: {swaps.reply[-1]:.1f} ms", file=sys.stderr, flush=True)
        swaps.end(asker.end())


def measure(options: argparse.Namespace) -> dict[str, Swaps]:
    with ExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(dir=options.work)))
        wanted = [peer for peer in prepare(options, folder) if not options.only or peer.name in options.only]
        peers = [started.enter_context(peer) for peer in wanted]
        results = {peer.name: Swaps() for peer in peers}
        texts = {peer.name: itertools.cycle(TEXTS) for peer in peers}
        for peer in peers:
            # The first turn begins with another one.
            peer.swap(TEXTS[-1])
        for _ in range(TURNS):
            for peer in peers:
                turn(options, peer, texts[peer.name], results[peer.name])
    return results


def prepare(options: argparse.Namespace, folder: Path) -> list[Peer]:
    unpack(options.package, folder / "package")
    app, ids = published(options.tidegate, options.component, folder / "published", TEXTS)
    on_lambda = ("--lambda", "--bootstrap", folder / "package" / "bootstrap")
    arguments = {OWN: (), LAMBDA: on_lambda, FROZEN: (*on_lambda, "--freeze")}
    own = [
        Released(options.tidegate, name, copied(app, folder / str(index)), ids, *extra)
        for index, (name, extra) in enumerate(arguments.items())
    ]
    return [*own, MiniStack(options.native, TEXTS), Reloading()]


@dataclass(frozen=True)
class Target:
    """What Tidegate promises of swaps."""

    title: str
    # Whose results it is read from.
    peers: tuple[str, ...]
    reading: Callable[[list[Swaps]], float]
    limit: Callable[[list[Swaps]], float]
    form: str = "{:,.1f} ms"

    def line(self, results: dict[str, Swaps]) -> str:
        swaps = [results[name] for name in self.peers if name in results]
        if not swaps:
            return f"| {self.title} | – | not measured |"
        value = self.reading(swaps)
        return f"| {self.title} | {self.form.format(value)} | {verdict(value <= self.limit(swaps))} |"


TARGETS = [
    Target(
        f"`{OWN}`: from the start of the command to the first reply, p50 ≤ {LIMIT_MS:g} ms",
        (OWN,),
        lambda swaps: percentile(swaps[0].reply, 50),
        lambda _: LIMIT_MS,
    ),
    *[
        Target(
            f"`{name}`: from the pointer to the first reply, at most {STALENESS:g} s, one event and the reply's own",
            (name,),
            lambda swaps: max(swaps[0].pointer),
            # No event takes longer than the longest: the reply's own waits until the release is loaded.
            lambda swaps: STALENESS * 1e3 + 2 * swaps[0].longest,
        )
        for name in (LAMBDA, FROZEN)
    ],
    Target(
        "the three: sockets that were dropped, versions and questions without an answer",
        (OWN, LAMBDA, FROZEN),
        lambda swaps: sum(it.wrong.total() for it in swaps),
        lambda _: 0,
        "{:g}",
    ),
]


def of_pointer(reading: Callable[[list[float]], float]) -> Callable[[Swaps], str]:
    return lambda it: number(reading(it.pointer)) if it.pointer else "–"


# What is shown of each peer: a title, and how a cell reads.
ROWS: list[tuple[str, Callable[[Swaps], str]]] = [
    ("until the first reply: p50, ms", lambda it: number(percentile(it.reply, 50))),
    ("until the first reply: p99, ms", lambda it: number(percentile(it.reply, 99))),
    ("until the command or the call has ended: p50, ms", lambda it: number(percentile(it.command, 50))),
    ("from the pointer to the first reply: p50, ms", of_pointer(lambda readings: percentile(readings, 50))),
    ("from the pointer to the first reply: p99, ms", of_pointer(lambda readings: percentile(readings, 99))),
    ("from the pointer to the first reply: most, ms", of_pointer(max)),
    ("sockets that were dropped", lambda it: f"{it.wrong['dropped']:,}"),
    ("versions that did not answer at all", lambda it: f"{it.wrong['never']:,}"),
    (
        "questions without their one answer",
        lambda it: f"{it.wrong.total() - it.wrong['dropped'] - it.wrong['never']:,}",
    ),
    ("questions", lambda it: f"{it.answers:,}"),
    ("one answer: p50, ms", lambda it: f"{statistics.median(it.p50):.2f}"),
    ("one answer: longest, ms", lambda it: number(it.longest)),
]


def text(options: argparse.Namespace, results: dict[str, Swaps]) -> str:
    count = min(len(swaps.reply) for swaps in results.values())
    first, *others = results
    middle = {name: percentile(swaps.reply, 50) for name, swaps in results.items()}
    ratios = ", ".join(f"{name} {middle[name] / middle[first]:,.1f} ×" for name in others)
    names = [f"`{name}`" if name in (OWN, LAMBDA, FROZEN) else name for name in results]
    lines = [
        f"Measured on {date.today()}: {machine.describe()}. Of each, interleaved: {count} swaps.",
        "",
        "| target | measured | |",
        "|---|---:|---|",
        *[target.line(results) for target in TARGETS],
        "",
        f"| | {' | '.join(names)} |",
        "|---|" + "---:|" * len(results),
        *[f"| {title} | {' | '.join(map(cell, results.values()))} |" for title, cell in ROWS],
    ]
    if ratios:
        lines += ["", f"p50 until the first reply, beside `{first}`: {ratios}."]
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ask", type=Path, required=True, help="who asks")
    parser.add_argument("--tidegate", type=Path, required=True, help="a release build of the command line")
    parser.add_argument("--package", type=Path, required=True, help="a package, whose bootstrap is used")
    parser.add_argument("--component", type=Path, required=True, help="the component of many versions")
    parser.add_argument("--native", type=Path, required=True, help="the native function of many versions")
    parser.add_argument("--work", type=Path, required=True, help="where a folder for everything is made")
    parser.add_argument("--only", action="append", help="a peer, by name; may be repeated")
    parser.add_argument("--swaps", type=int, default=60, help="swaps of each peer")
    parser.add_argument("--page", type=Path, help="the page to keep the results in")
    return parser.parse_args()


def main() -> None:
    options = parse()
    for name in ("ask", "tidegate", "package", "component", "native", "work"):
        setattr(options, name, getattr(options, name).resolve())
    results = text(options, measure(options))
    print(results)
    if options.page:
        keep(options.page, SECTION, results)


if __name__ == "__main__":
    main()
