#!/usr/bin/env python3
"""Measures swaps: the time from the command that deploys a new version to the first reply of that version.

A prober sends messages without a pause. Every turn visits every peer, so that a slow phase of the machine affects all
of them. The other peers are idle meanwhile. Compare the ratios within one run: absolute numbers depend on the machine.
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
from functions import unpack
from prober import Event, Prober
from swapped import STALENESS, MiniStack, Peer, Released, Reloading, copied, published, version
from tables import keep, number, verdict

SECTION = "swaps"
OWN, LAMBDA, FROZEN = "tidegate dev", "tidegate dev --lambda", "tidegate dev --lambda --freeze"
TEXTS = [version(number) for number in range(1, 6)]
# The swaps of a peer are spread over this many turns.
TURNS = 6
# Target for the median time from the command to the first reply.
LIMIT_MS = 20.0


@dataclass
class Swaps:
    """The measurements of one peer, in milliseconds."""

    # From the start of the command or call to the first reply of the new version, and to the end of the command.
    reply: list[float] = field(default_factory=list)
    command: list[float] = field(default_factory=list)
    # From the replacement of the pointer file to the first reply, for peers with such a file.
    pointer: list[float] = field(default_factory=list)
    # Faults by kind: `disconnected`, `timed-out`, `failed`, `stray`, and `never` for a version without any reply.
    faults: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    # Latency of a probe: the median of each turn, and the maximum.
    p50: list[float] = field(default_factory=list)
    max: float = 0.0

    def count_faults(self, events: list[Event]) -> None:
        self.faults.update(event.kind for event in events if event.kind in ("disconnected", "timed-out", "failed"))

    def add(self, began: int, ended: int, events: list[Event]) -> None:
        """Adds a swap. The last event is the first reply of the new version."""
        self.count_faults(events)
        answered = events[-1].at_ns
        self.reply.append((answered - began) / 1e6)
        self.command.append((ended - began) / 1e6)
        replaced = [event.at_ns for event in events if event.kind == "file-replaced" and event.at_ns > began]
        self.pointer += [(answered - at) / 1e6 for at in replaced]

    def finish(self, events: list[Event]) -> None:
        """Adds the end of a turn. The last event has the totals."""
        self.count_faults(events)
        totals = events[-1].fields
        self.faults["stray"] += totals["strays"]
        self.answers += totals["answers"]
        self.p50.append(totals["p50_us"] / 1e3)
        self.max = max(self.max, totals["max_us"] / 1e3)


def percentile(readings: list[float], percent: int) -> float:
    return statistics.quantiles(readings, n=100, method="inclusive")[percent - 1]


def turn(options: argparse.Namespace, peer: Peer, texts: Iterator[str], swaps: Swaps) -> None:
    with Prober(options.probe, peer.url, peer.pointer) as prober:
        prober.wait_for("version-changed")
        for _ in range(-(-options.swaps // TURNS)):
            time.sleep(peer.rest())
            text = next(texts)
            began = time.monotonic_ns()
            peer.swap(text)
            ended = time.monotonic_ns()
            try:
                swaps.add(began, ended, prober.wait_for("version-changed", version=text))
            except TimeoutError as error:
                # MiniStack sometimes continues with the old code after it reported the new one.
                swaps.faults["never"] += 1
                print(f"{peer.name}: {error}", file=sys.stderr, flush=True)
                continue
            print(f"{peer.name}: {swaps.reply[-1]:.1f} ms", file=sys.stderr, flush=True)
        swaps.finish(prober.finish())


def measure(options: argparse.Namespace) -> dict[str, Swaps]:
    with ExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(dir=options.work)))
        wanted = [peer for peer in prepare(options, folder) if not options.only or peer.name in options.only]
        peers = [started.enter_context(peer) for peer in wanted]
        results = {peer.name: Swaps() for peer in peers}
        texts = {peer.name: itertools.cycle(TEXTS) for peer in peers}
        for peer in peers:
            # The first swap of the first turn needs a different version to start from.
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
    """A target for swaps."""

    title: str
    # Names of the peers whose results it concerns.
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
            f"`{name}`: from the pointer to the first reply, at most {STALENESS:g} s and two events",
            (name,),
            lambda swaps: max(swaps[0].pointer),
            # One event reads the pointer, and the next one waits until the release is loaded.
            lambda swaps: STALENESS * 1e3 + 2 * swaps[0].max,
        )
        for name in (LAMBDA, FROZEN)
    ],
    Target(
        "the three: disconnects, versions without a reply, probes without exactly one reply",
        (OWN, LAMBDA, FROZEN),
        lambda swaps: sum(one.faults.total() for one in swaps),
        lambda _: 0,
        "{:g}",
    ),
]


def of_pointer(reading: Callable[[list[float]], float]) -> Callable[[Swaps], str]:
    return lambda swaps: number(reading(swaps.pointer)) if swaps.pointer else "–"


# Rows of the table of peers: a title, and the text of a cell.
ROWS: list[tuple[str, Callable[[Swaps], str]]] = [
    ("to the first reply: p50, ms", lambda swaps: number(percentile(swaps.reply, 50))),
    ("to the first reply: p99, ms", lambda swaps: number(percentile(swaps.reply, 99))),
    ("to the end of the command or call: p50, ms", lambda swaps: number(percentile(swaps.command, 50))),
    ("from the pointer to the first reply: p50, ms", of_pointer(lambda readings: percentile(readings, 50))),
    ("from the pointer to the first reply: p99, ms", of_pointer(lambda readings: percentile(readings, 99))),
    ("from the pointer to the first reply: max, ms", of_pointer(max)),
    ("disconnects", lambda swaps: f"{swaps.faults['disconnected']:,}"),
    ("versions without a reply", lambda swaps: f"{swaps.faults['never']:,}"),
    (
        "probes without exactly one reply",
        lambda swaps: f"{swaps.faults.total() - swaps.faults['disconnected'] - swaps.faults['never']:,}",
    ),
    ("probes with a reply", lambda swaps: f"{swaps.answers:,}"),
    ("latency of a probe: p50, ms", lambda swaps: f"{statistics.median(swaps.p50):.2f}"),
    ("latency of a probe: max, ms", lambda swaps: number(swaps.max)),
]


def text(results: dict[str, Swaps], load_before: str) -> str:
    count = min(len(swaps.reply) for swaps in results.values())
    first, *others = results
    middle = {name: percentile(swaps.reply, 50) for name, swaps in results.items()}
    ratios = ", ".join(f"{name} {middle[name] / middle[first]:,.1f} ×" for name in others)
    names = [f"`{name}`" if name in (OWN, LAMBDA, FROZEN) else name for name in results]
    lines = [
        f"Measured on {date.today()}: {machine.describe()}. {load_before} {count} swaps of each peer, interleaved.",
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
        lines += ["", f"p50 to the first reply, relative to `{first}`: {ratios}."]
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probe", type=Path, required=True, help="program of the prober")
    parser.add_argument("--tidegate", type=Path, required=True, help="release build of the command line")
    parser.add_argument("--package", type=Path, required=True, help="package with the bootstrap to run")
    parser.add_argument("--component", type=Path, required=True, help="component whose version text is replaced")
    parser.add_argument("--native", type=Path, required=True, help="native function whose version text is replaced")
    parser.add_argument("--work", type=Path, required=True, help="parent of the working folder")
    parser.add_argument("--only", action="append", help="name of a peer to measure; may be repeated")
    parser.add_argument("--swaps", type=int, default=60, help="swaps of each peer")
    parser.add_argument("--page", type=Path, help="page to write the results to")
    return parser.parse_args()


def main() -> None:
    options = parse()
    for name in ("probe", "tidegate", "package", "component", "native", "work"):
        setattr(options, name, getattr(options, name).resolve())
    load_before = machine.load()
    results = text(measure(options), load_before)
    print(results)
    if options.page:
        keep(options.page, SECTION, results)


if __name__ == "__main__":
    main()
