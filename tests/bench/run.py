#!/usr/bin/env python3
"""Runs the load generator against each server in turn, prints medians, worst readings and ratios, and writes a page.

Every round visits every server with a fresh process, so that a slow phase of the machine affects all of them. Load
generator and server share the machine: compare the ratios within one run, not absolute numbers.

The latency of one connection depends on the placement of client and server. It is several times shorter if both share
a core than if each message wakes another core, and the scheduler chooses one of the two for a whole run. The scenarios
with one connection are therefore pinned, once each way.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import machine
import stages
from scenarios import IDLE, SCENARIOS, TARGETS, Report, Results, Scenario
from servers import Baseline, Server, Tidegate, Workerd
from tables import keep, number, verdict

SECTION = "results"
BEFORE = "before"
# Limit of open files for each process.
DESCRIPTORS = 32_768
INSTANCE_LIMIT_US = 15.0


def pin(cores: frozenset[int] | None) -> Callable[[], None] | None:
    """Returns a function that pins a new process to these cores before it starts its program."""
    return (lambda: os.sched_setaffinity(0, cores)) if cores else None


def load(binary: Path, server: Server, scenario: Scenario, seconds: float) -> Report:
    command = [
        str(binary), "--url", server.url_for(scenario.kind), "--message", scenario.message(),
        "--seconds", str(seconds), *scenario.arguments(server),
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        preexec_fn=pin(scenario.pinning.client),
    )
    if done.returncode:
        raise SystemExit(f"{server.name}: {scenario.title}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(options: argparse.Namespace, servers: list[Server], scenarios: list[Scenario]) -> Results:
    results = Results()
    for scenario in scenarios:
        # Idle connections are counted, not timed, so one round is enough.
        for round_number in range(1 if scenario.kind == "idle" else options.rounds):
            for server in servers:
                if server.name in scenario.without:
                    continue
                server.scenario = scenario.kind
                server.prepare = pin(scenario.pinning.server)
                with server:
                    report = load(options.load, server, scenario, options.seconds)
                results.add(scenario, server.name, report)
                figures = ", ".join(f"{name} {value}" for name, value in report.items())
                title = f"round {round_number + 1}: {server.name}: {scenario.title}"
                print(f"{title}: {figures}", file=sys.stderr, flush=True)
    return results


def verdicts(results: Results, stage_times: dict[str, float]) -> list[str]:
    title = f"instantiate + call + drop of the echo component ≤ {INSTANCE_LIMIT_US:g} µs"
    instance = stage_times.get(stages.INSTANCE)
    cell = "not measured" if instance is None else f"{instance:.1f} {verdict(instance <= INSTANCE_LIMIT_US)}"
    return [
        "| target | by the medians | by the worst readings |",
        "|---|---:|---:|",
        *[target.line(results) for target in TARGETS],
        f"| {title} | {cell} | – |",
    ]


def compared(results: Results, scenarios: list[Scenario]) -> list[str]:
    """Returns the table that compares the new build with the older one, if that was measured."""
    rows = []
    for scenario in scenarios:
        readings = {scenario.reading: scenario.unit} | ({"p99_us": "µs"} if scenario.has_latency else {})
        for reading, unit in readings.items():
            new, old = (results.readings(scenario, name, reading) for name in ("tidegate", BEFORE))
            if new and old:
                now, then = statistics.median(new), statistics.median(old)
                p99 = f"{scenario.title.removesuffix(': p50')}: p99"
                title = scenario.title if reading == scenario.reading else p99
                rows.append(f"| {title}, {unit} | {number(now)} | {number(then)} | {now / then:.3f} |")
    return ["", "| median | this build | older build | ratio |", "|---|---:|---:|---:|", *rows] if rows else []


def page(
    options: argparse.Namespace, results: Results, measured: list[Server], scenarios: list[Scenario], load_before: str
) -> str:
    servers = [server.name for server in measured]
    stage_times = stages.read(options.criterion)
    scan = "available" if machine.pagemap_scan() else "not available"
    lines = [
        f"Measured on {date.today()}: {machine.describe()}. PAGEMAP_SCAN: {scan}. {load_before} "
        f"Fresh processes for each reading: {options.rounds}, for {options.seconds:g} s each, interleaved.",
        "",
        *verdicts(results, stage_times),
        "",
        f"| median (worst) | {' | '.join(servers)} |",
        "|---|" + "---:|" * len(servers),
        *[row for scenario in scenarios for row in results.rows(scenario, servers)],
    ]
    lines += compared(results, scenarios)
    for server in measured:
        if (held := IDLE.connections_to(server)) < IDLE.size and IDLE in scenarios:
            lines += [
                "",
                f"{server.name} held {held:,} connections, because each needs more than one open file and the limit "
                "could not be raised.",
            ]
    if stage_times:
        lines += ["", "| stage (Criterion, median) | µs |", "|---|---:|"]
        lines += [f"| {name} | {micros:,.2f} |" for name, micros in sorted(stage_times.items())]
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load", type=Path, required=True, help="load generator")
    parser.add_argument("--baseline", type=Path, required=True, help="bare server")
    parser.add_argument("--tidegate", type=Path, required=True, help="release build of the command line")
    parser.add_argument("--criterion", type=Path, required=True, help="Criterion's folder")
    parser.add_argument("--before", type=Path, help="older build of the command line, measured beside the new one")
    parser.add_argument("--only", default="baseline,tidegate,before,workerd", help="names of the servers to measure")
    parser.add_argument("--scenarios", default="echo,connect,fanout,idle", help="kinds of scenario to measure")
    parser.add_argument("--rounds", type=int, default=10, help="fresh processes of each server and scenario")
    parser.add_argument("--seconds", type=float, default=2.0, help="measured seconds of each process")
    parser.add_argument("--page", type=Path, help="page to write the results to")
    return parser.parse_args()


def raise_descriptors() -> None:
    """Raises the limit of open files, which child processes inherit. Only root can exceed the hard limit."""
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
    known = [Baseline(options.baseline), Tidegate(options.tidegate), Workerd()]
    if options.before:
        known.insert(2, Tidegate(options.before.resolve(), BEFORE))
    servers = [server for server in known if server.name in options.only.split(",")]
    scenarios = [scenario for scenario in SCENARIOS if scenario.kind in options.scenarios.split(",")]
    load_before = machine.load()
    text = page(options, measure(options, servers, scenarios), servers, scenarios, load_before)
    print(text)
    if options.page:
        keep(options.page, SECTION, text)


if __name__ == "__main__":
    main()
