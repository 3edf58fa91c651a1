#!/usr/bin/env python3
"""Runs the load generator against each server in turn, prints medians and ratios, and keeps them in a page.

Every round visits every server, so that a machine that slows down slows all of them. Load and server share the
machine; absolute numbers therefore mean little, and the targets are ratios of one run.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import machine
import stages
from servers import Baseline, Server, Tidegate, Workerd
from tables import keep, spread, verdict

SECTION = "results"
TEXT = "the quick brown fox jumps over the lazy dog"
# Wanted for each process, and what a process needs besides its connections.
DESCRIPTORS, SPARE_DESCRIPTORS = 32_768, 200


@dataclass(frozen=True)
class Scenario:
    """One run of the load generator, and what is read from its report."""

    title: str
    kind: str
    size: int
    reading: str
    unit: str
    # `more` when a larger number is better, else `less`.
    better: str

    def arguments(self, server: Server) -> list[str]:
        flag = "--receivers" if self.kind == "fanout" else "--connections"
        extra = ["--pid", str(server.process.pid)] if self.kind == "idle" else []
        return [self.kind, flag, str(self.held_by(server)), *extra]

    def held_by(self, server: Server) -> int:
        """As many connections as wanted, or as this machine's limit of open files lets the server hold."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return min(self.size, (limit - SPARE_DESCRIPTORS) // server.descriptors_per_connection)

    def message(self) -> str:
        action = "broadcast" if self.kind == "fanout" else "echo"
        return json.dumps({"action": action, "text": TEXT}, separators=(",", ":"))


ECHO_1 = Scenario("echo, 1 connection: p50", "echo", 1, "p50_us", "µs", "less")
ECHO_32 = Scenario("echo, 32 connections", "echo", 32, "rate", "msg/s", "more")
ECHO_256 = Scenario("echo, 256 connections", "echo", 256, "rate", "msg/s", "more")
FANOUT_100 = Scenario("broadcast, 100 members", "fanout", 100, "deliveries", "deliveries/s", "more")
FANOUT_1000 = Scenario("broadcast, 1,000 members", "fanout", 1000, "deliveries", "deliveries/s", "more")
IDLE = Scenario("memory, 10,000 idle connections", "idle", 10_000, "kib_per_connection", "KiB/connection", "less")
SCENARIOS = [ECHO_1, ECHO_32, ECHO_256, FANOUT_100, FANOUT_1000, IDLE]


@dataclass(frozen=True)
class Target:
    """What Tidegate promises: a ratio to workerd, or a number of its own."""

    scenario: Scenario
    limit: float
    of: str | None


TARGETS = [
    Target(ECHO_32, 1.25, "workerd"),
    Target(ECHO_1, 0.8, "workerd"),
    Target(FANOUT_100, 1.0, "workerd"),
    Target(FANOUT_1000, 1.3, "workerd"),
    Target(IDLE, 16.0, None),
]
INSTANCE_LIMIT_US = 15.0


@dataclass
class Results:
    """Every reading of every scenario and server, and the reports they came from."""

    readings: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, scenario: Scenario, server: str, report: dict) -> None:
        self.readings.setdefault((scenario.title, server), []).append(report[scenario.reading])

    def median(self, scenario: Scenario, server: str) -> float | None:
        found = self.readings.get((scenario.title, server))
        return statistics.median(found) if found else None

    def spread(self, scenario: Scenario, server: str) -> str:
        found = self.readings.get((scenario.title, server))
        return spread(found) if found else "–"


def load(binary: Path, server: Server, scenario: Scenario, seconds: float) -> dict:
    command = [
        str(binary), "--url", server.url_for(scenario.kind), "--message", scenario.message(),
        "--seconds", str(seconds), *scenario.arguments(server),
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(f"{server.name}: {scenario.title}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(options: argparse.Namespace, servers: list[Server], scenarios: list[Scenario]) -> Results:
    results = Results()
    for scenario in scenarios:
        # Held connections are counted, not timed: one round says it all.
        for round_number in range(1 if scenario.kind == "idle" else options.rounds):
            for server in servers:
                # A fresh process each time: nothing of one scenario burdens the next.
                with server:
                    report = load(options.load, server, scenario, options.seconds)
                results.add(scenario, server.name, report)
                told = ", ".join(f"{name} {value}" for name, value in report.items())
                print(f"round {round_number + 1}: {server.name}: {scenario.title}: {told}", file=sys.stderr, flush=True)
    return results


def table(results: Results, servers: list[str], scenarios: list[Scenario]) -> list[str]:
    lines = [
        f"| median (least … most) | {' | '.join(servers)} |",
        "|---|" + "---:|" * len(servers),
    ]
    for scenario in scenarios:
        cells = " | ".join(results.spread(scenario, server) for server in servers)
        lines.append(f"| {scenario.title}, {scenario.unit} | {cells} |")
    return lines


def verdicts(results: Results, stage_times: dict[str, float]) -> list[str]:
    lines = ["| target | measured | |", "|---|---:|---|"]
    for target in TARGETS:
        own = results.median(target.scenario, "tidegate")
        peer = results.median(target.scenario, target.of) if target.of else 1.0
        sign = "≥" if target.scenario.better == "more" else "≤"
        limit = f"{target.limit} × {target.of}" if target.of else f"{target.limit:g} {target.scenario.unit}"
        if own is None or not peer:
            lines.append(f"| {target.scenario.title} {sign} {limit} | – | not measured |")
            continue
        ratio = own / peer
        met = ratio >= target.limit if target.scenario.better == "more" else ratio <= target.limit
        lines.append(f"| {target.scenario.title} {sign} {limit} | {ratio:.2f} | {verdict(met)} |")
    instance = stage_times.get(stages.INSTANCE)
    title = f"instantiate + call + drop of the echo component ≤ {INSTANCE_LIMIT_US:g} µs"
    if instance is None:
        lines.append(f"| {title} | – | not measured |")
    else:
        lines.append(f"| {title} | {instance:.1f} | {verdict(instance <= INSTANCE_LIMIT_US)} |")
    return lines


def page(options: argparse.Namespace, results: Results, measured: list[Server], scenarios: list[Scenario]) -> str:
    servers = [server.name for server in measured]
    stage_times = stages.read(options.criterion)
    scan = "available" if machine.pagemap_scan() else "not available"
    lines = [
        f"Measured on {date.today()}: {machine.describe()}. PAGEMAP_SCAN: {scan}. "
        f"Rounds: {options.rounds} of {options.seconds:g} s, interleaved.",
        "",
        *verdicts(results, stage_times),
        "",
        *table(results, servers, scenarios),
    ]
    for server in measured:
        if (held := IDLE.held_by(server)) < IDLE.size and IDLE in scenarios:
            lines += ["", f"{server.name} held {held:,} connections: it needs more than one open file for each, and the "
                      "limit here could not be raised."]
    if stage_times:
        lines += ["", "| stage (Criterion, median) | µs |", "|---|---:|"]
        lines += [f"| {name} | {micros:,.2f} |" for name, micros in sorted(stage_times.items())]
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load", type=Path, required=True, help="the load generator")
    parser.add_argument("--baseline", type=Path, required=True, help="the bare server")
    parser.add_argument("--tidegate", type=Path, required=True, help="a release build of the command line")
    parser.add_argument("--criterion", type=Path, required=True, help="Criterion's folder")
    parser.add_argument("--only", default="baseline,tidegate,workerd", help="servers, by name")
    parser.add_argument("--scenarios", default="echo,fanout,idle", help="kinds of scenario")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--page", type=Path, help="the page to keep the results in")
    return parser.parse_args()


def raise_descriptors() -> None:
    """Raises the limit of open files, which child processes inherit; only root may go past the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= DESCRIPTORS:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, max(DESCRIPTORS, hard)))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    options = parse()
    for name in ("load", "baseline", "tidegate", "criterion"):
        setattr(options, name, getattr(options, name).resolve())
    raise_descriptors()
    everyone = [Baseline(options.baseline), Tidegate(options.tidegate), Workerd()]
    servers = [server for server in everyone if server.name in options.only.split(",")]
    scenarios = [scenario for scenario in SCENARIOS if scenario.kind in options.scenarios.split(",")]
    text = page(options, measure(options, servers, scenarios), servers, scenarios)
    print(text)
    if options.page:
        keep(options.page, SECTION, text)


if __name__ == "__main__":
    main()
