#!/usr/bin/env python3
"""Runs the driver of the Lambda functions, prints medians and ratios, and writes a page.

Every function does the same job behind the same stand-in Runtime API and stub of AWS, on one machine. Compare the
ratios within one run, not absolute numbers.

Warm events are timed on one core. Driver and function wait for each other at each call, and the time to wake another
core depends on the scheduler and the hypervisor.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import following
import machine
from servers import HERE
from tables import keep, number, spread, verdict

SECTION = "lambda"
APP = HERE / "python"
OWN, NATIVE, ONE_THREAD, PYTHON = "tidegate", "native", "native_one_thread", "python"
# Names of the functions for the driver and on the page.
FUNCTIONS = {OWN: "tidegate", NATIVE: "native", ONE_THREAD: "native, one thread", PYTHON: "python"}
# Tidegate's function with a store of releases: none is active, or one that differs from the package's.
FOLLOWING, RELEASED = "tidegate_following", "tidegate_released"
HOSTS = {OWN: "no store", FOLLOWING: "none active", RELEASED: "another release active"}
DRIVER_SECONDS = 1_800
# Readings of the runs on one core.
WARM = ["echo", "chat", "memory_kib"]
# Number of runs with fresh processes. The placement of a process in memory changes an echo by a twentieth.
WARM_RUNS = 5


@dataclass(frozen=True)
class Report:
    """The driver's measurements, and the size of each function's package."""

    measured: dict
    package_bytes: dict[str, int]

    def of(self, function: str) -> dict:
        return self.measured["functions"][function]

    def cold(self, function: str) -> float:
        return statistics.median(self.of(function)["cold_ms"])

    def p50(self, function: str, kind: str) -> float:
        return self.of(function)[kind]["p50_us"]

    def fanout(self, function: str) -> float:
        """Returns the ratio of a broadcast's time to the least time that its posts take."""
        return statistics.median(self.of(function)["fanout_ms"]) / statistics.median(self.of(function)["bound_ms"])


@dataclass(frozen=True)
class Target:
    """A target for Tidegate's function."""

    title: str
    reading: Callable[[Report], float]
    limit: float
    # `least` if a larger number is better, else `most`.
    bound: str = "most"
    form: str = "{:.2f}"

    def line(self, report: Report) -> str:
        value = self.reading(report)
        met = value <= self.limit if self.bound == "most" else value >= self.limit
        return f"| {self.title} | {self.form.format(value)} | {verdict(met)} |"


def against(native: str) -> list[Target]:
    """Returns the targets relative to a native function."""
    name = FUNCTIONS[native]
    return [
        Target(f"cold start ≤ 1.10 × {name}", lambda report: report.cold(OWN) / report.cold(native), 1.10),
        Target(
            f"warm echo: p50 ≤ {name} + 20 µs",
            lambda report: report.p50(OWN, "echo") - report.p50(native, "echo"),
            20,
            form="{:+.1f} µs",
        ),
        Target(
            f"warm chat: p50 ≤ 1.05 × {name}",
            lambda report: report.p50(OWN, "chat") / report.p50(native, "chat"),
            1.05,
        ),
    ]


TARGETS = [
    *against(NATIVE),
    *against(ONE_THREAD),
    Target(
        "cold start at least 30 × faster than python",
        lambda report: report.cold(PYTHON) / report.cold(OWN),
        30,
        "least",
    ),
    Target(
        "warm chat: p50 at least 4 × faster than python",
        lambda report: report.p50(PYTHON, "chat") / report.p50(OWN, "chat"),
        4,
        "least",
    ),
    Target("resident memory ≤ 16 MiB", lambda report: report.of(OWN)["memory_kib"] / 1024, 16, form="{:.1f} MiB"),
    Target("package ≤ 6 MB, zipped", lambda report: report.package_bytes[OWN] / 1e6, 6, form="{:.2f} MB"),
    Target("fan-out to 1,000 ≤ 1.2 × its bound", lambda report: report.fanout(OWN), 1.2),
    *[
        Target(
            f"warm {kind}: p50 following releases, {HOSTS[host]} ≤ 1.03 × without",
            lambda report, kind=kind, host=host: report.p50(host, kind) / report.p50(OWN, kind),
            1.03,
        )
        for kind in ("echo", "chat")
        for host in (FOLLOWING, RELEASED)
    ],
]

# Rows of the table of functions: a title, and the text of a cell.
ROWS: list[tuple[str, Callable[[Report, str], str]]] = [
    ("cold start, ms", lambda report, name: spread(report.of(name)["cold_ms"])),
    ("warm echo: p50, µs", lambda report, name: number(report.of(name)["echo"]["p50_us"])),
    ("warm echo: p99, µs", lambda report, name: number(report.of(name)["echo"]["p99_us"])),
    (
        "warm echo: p50 to the request for the next event, µs",
        lambda report, name: number(report.of(name)["echo"]["round_p50_us"]),
    ),
    ("warm chat: p50, µs", lambda report, name: number(report.of(name)["chat"]["p50_us"])),
    ("warm chat: p99, µs", lambda report, name: number(report.of(name)["chat"]["p99_us"])),
    (
        "warm chat: p50 to the request for the next event, µs",
        lambda report, name: number(report.of(name)["chat"]["round_p50_us"]),
    ),
    ("memory after the warm events, MiB", lambda report, name: number(report.of(name)["memory_kib"] / 1024)),
    (
        "memory after the fan-out alone, MiB",
        lambda report, name: number(report.of(name)["memory_after_fanout_kib"] / 1024),
    ),
    ("fan-out to 1,000, ms", lambda report, name: spread(report.of(name)["fanout_ms"])),
    ("fan-out: max. concurrent posts, seen by the stub", lambda report, name: str(report.of(name)["in_flight"])),
    ("fan-out: the bound, ms", lambda report, name: spread(report.of(name)["bound_ms"])),
    ("fan-out: × the bound", lambda report, name: f"{report.fanout(name):.2f}"),
    ("package, MB zipped", lambda report, name: f"{report.package_bytes[name] / 1e6:.3f}"),
]
# Rows of the table of Tidegate's function with and without a store of releases.
HOST_ROWS = [(title, cell) for title, cell in ROWS if title.startswith(("cold", "warm", "memory after the warm"))]


def unpack(package: Path, folder: Path) -> None:
    """Unpacks a package with its file permissions, which `extractall` ignores."""
    with zipfile.ZipFile(package) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, folder))
            if mode := entry.external_attr >> 16:
                path.chmod(mode & 0o777)


def zipped(path: Path) -> int:
    """Returns the size in bytes of a package that contains this file alone."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(path, path.name)
    return package.send_probe()


def drive(
    options: argparse.Namespace, package: Path, releases: Path, *, cold: int = 0, events: int = 0, broadcasts: int = 0
) -> dict:
    settings = {
        "tidegate": package,
        "releases": releases,
        "native": options.native,
        "native-one-thread": options.native_one_thread,
        "python": options.python,
        "app": APP,
        "cold": cold,
        "events": events,
        "broadcasts": broadcasts,
    }
    command = [options.driver, *(f"--{name}={value}" for name, value in settings.items())]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DRIVER_SECONDS)
    if done.returncode:
        raise SystemExit(f"the driver failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


@contextmanager
def one_core() -> Iterator[None]:
    """Pins this process and its new child processes to one core within the block."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def measure(options: argparse.Namespace) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "package"
        unpack(options.package, package)
        releases = following.publish(options.tidegate, package, Path(folder) / "chat")
        measured = drive(options, package, releases, cold=options.cold, broadcasts=options.broadcasts)
        with one_core():
            runs = [drive(options, package, releases, events=-(-options.events // WARM_RUNS)) for _ in range(WARM_RUNS)]
    measured["release_calls"] = sum((Counter(run["release_calls"]) for run in runs), Counter())
    for name, function in measured["functions"].items():
        function |= {reading: middle([run["functions"][name][reading] for run in runs]) for reading in WARM}
    sizes = {
        OWN: options.package.stat().st_size,
        NATIVE: zipped(options.native),
        ONE_THREAD: zipped(options.native_one_thread),
        PYTHON: zipped(APP / "app.py"),
    }
    return Report(measured, sizes)


def middle(readings: list) -> dict | float:
    """Returns the median of numbers, or of each member of objects."""
    if isinstance(readings[0], dict):
        return {name: middle([reading[name] for reading in readings]) for name in readings[0]}
    return statistics.median(readings)


def calls(counts: dict[str, int]) -> str:
    return ", ".join(f"`{operation}` {count}" for operation, count in counts.items()) or "none"


def text(options: argparse.Namespace, report: Report, load_before: str) -> str:
    version = subprocess.run([options.python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    measured, events = report.measured, WARM_RUNS * int(report.of(OWN)["echo"]["events"])
    lines = [
        f"Measured on {date.today()}: {machine.describe()}; {version}. {load_before} Each function, "
        f"interleaved: {options.cold} cold starts, {events:,} warm events of each kind in {WARM_RUNS} processes, "
        f"{options.broadcasts} broadcasts.",
        "",
        "| target | measured | |",
        "|---|---:|---|",
        *[target.line(report) for target in TARGETS],
        "",
        f"| median (least … most) | {' | '.join(FUNCTIONS.values())} |",
        "|---|" + "---:|" * len(FUNCTIONS),
        *[f"| {title} | {' | '.join(cell(report, name) for name in FUNCTIONS)} |" for title, cell in ROWS],
        "",
        f"Every function makes the same calls: at its start {calls(measured['start_calls'])}; for an echo "
        f"{calls(measured['echo_calls'])}; for a chat message {calls(measured['chat_calls'])}.",
        "",
        f"| tidegate, with a store of releases | {' | '.join(HOSTS.values())} |",
        "|---|" + "---:|" * len(HOSTS),
        *[f"| {title} | {' | '.join(cell(report, name) for name in HOSTS)} |" for title, cell in HOST_ROWS],
        "",
        "Ratio of a cold start to one without a store: "
        + ", ".join(f"{HOSTS[host]} {report.cold(host) / report.cold(OWN):.2f} ×" for host in (FOLLOWING, RELEASED))
        + ".",
        "",
        f"Calls for releases during {2 * events:,} warm events of each: {calls(measured['release_calls'])}.",
    ]
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", type=Path, required=True, help="driver")
    parser.add_argument("--package", type=Path, required=True, help="chat's package for this machine's CPU")
    parser.add_argument("--tidegate", type=Path, required=True, help="command line, which publishes a release")
    parser.add_argument("--native", type=Path, required=True, help="native handler")
    parser.add_argument("--native-one-thread", type=Path, required=True, help="native handler on one thread")
    parser.add_argument("--python", type=Path, required=True, help="Python interpreter with the runtime and the SDK")
    parser.add_argument("--cold", type=int, default=20, help="cold starts of each function")
    parser.add_argument("--events", type=int, default=5_000, help="warm events of each kind and function")
    parser.add_argument("--broadcasts", type=int, default=10, help="broadcasts of each function")
    parser.add_argument("--page", type=Path, help="page to write the results to")
    return parser.parse_args()


def main() -> None:
    options = parse()
    for name in ("driver", "package", "tidegate", "native", "native_one_thread"):
        setattr(options, name, getattr(options, name).resolve())
    # A virtual environment is found by the path of its interpreter, so do not resolve links.
    options.python = options.python.absolute()
    load_before = machine.load()
    results = text(options, measure(options), load_before)
    print(results)
    if options.page:
        keep(options.page, SECTION, results)


if __name__ == "__main__":
    main()
