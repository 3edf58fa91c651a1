"""Scenarios of the gateway's benchmark, and the targets."""

from __future__ import annotations

import json
import os
import resource
import statistics
from dataclasses import dataclass, field

from servers import Server
from tables import median_and_worst, verdict

TEXT = "the quick brown fox jumps over the lazy dog"
# Descriptors of a process beside those of its connections.
SPARE_DESCRIPTORS = 200

Report = dict[str, float]


@dataclass(frozen=True)
class Pinning:
    """The cores of the server and of the load generator. The scheduler chooses if there are none."""

    server: frozenset[int] | None = None
    client: frozenset[int] | None = None


def pinnings() -> tuple[Pinning, Pinning]:
    """Returns the pinning to one core and to two cores. They are the same on a machine with one core."""
    cores = sorted(os.sched_getaffinity(0))
    first, second = frozenset({cores[-1]}), frozenset({cores[0]})
    return Pinning(first, first), Pinning(first, second)


@dataclass(frozen=True)
class Scenario:
    """One run of the load generator, and the reading of its report that the table shows."""

    title: str
    kind: str
    size: int
    reading: str
    unit: str
    # `more` if a larger number is better, else `less`.
    better: str
    pinning: Pinning = Pinning()
    has_latency: bool = True
    # Names of the servers that do not take part.
    without: tuple[str, ...] = ()

    def arguments(self, server: Server) -> list[str]:
        flag = "--receivers" if self.kind == "fanout" else "--connections"
        extra = ["--pid", str(server.process.pid)] if self.kind == "idle" else []
        return [self.kind, flag, str(self.connections_to(server)), *extra]

    def connections_to(self, server: Server) -> int:
        """Returns the scenario's connections, or fewer if the limit of open files is lower."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return min(self.size, (limit - SPARE_DESCRIPTORS) // server.descriptors_per_connection)

    def message(self) -> str:
        action = "broadcast" if self.kind == "fanout" else "echo"
        return json.dumps({"action": action, "text": TEXT}, separators=(",", ":"))


ONE_CORE, TWO_CORES = pinnings()
ECHO_ONE_CORE = Scenario("echo, 1 connection, both ends on one core: p50", "echo", 1, "p50_us", "µs", "less", ONE_CORE)
ECHO_TWO_CORES = Scenario("echo, 1 connection, ends on two cores: p50", "echo", 1, "p50_us", "µs", "less", TWO_CORES)
ECHO_32 = Scenario("echo, 32 connections", "echo", 32, "rate", "msg/s", "more")
ECHO_256 = Scenario("echo, 256 connections", "echo", 256, "rate", "msg/s", "more")
# workerd has no authorizer. The bare server's handshakes show the cost of sockets and client.
CONNECT_32 = Scenario(
    "connect with an authorizer, 32 clients", "connect", 32, "rate", "handshakes/s", "more", without=("workerd",)
)
FANOUT_100 = Scenario("broadcast, 100 members", "fanout", 100, "deliveries", "deliveries/s", "more")
FANOUT_1000 = Scenario("broadcast, 1,000 members", "fanout", 1000, "deliveries", "deliveries/s", "more")
IDLE = Scenario(
    "memory, 10,000 idle connections", "idle", 10_000, "kib_per_connection", "KiB/connection", "less",
    has_latency=False,
)
SCENARIOS = [ECHO_ONE_CORE, ECHO_TWO_CORES, ECHO_32, ECHO_256, CONNECT_32, FANOUT_100, FANOUT_1000, IDLE]


@dataclass
class Results:
    """Every report, by scenario and server."""

    reports: dict[tuple[str, str], list[Report]] = field(default_factory=dict)

    def add(self, scenario: Scenario, server: str, report: Report) -> None:
        self.reports.setdefault((scenario.title, server), []).append(report)

    def readings(self, scenario: Scenario, server: str, reading: str | None = None) -> list[float]:
        return [report[reading or scenario.reading] for report in self.reports.get((scenario.title, server), [])]

    def median(self, scenario: Scenario, server: str) -> float | None:
        found = self.readings(scenario, server)
        return statistics.median(found) if found else None

    def worst(self, scenario: Scenario, server: str) -> float | None:
        found = self.readings(scenario, server)
        return (min if scenario.better == "more" else max)(found) if found else None

    def rows(self, scenario: Scenario, servers: list[str]) -> list[str]:
        """Returns the table rows of a scenario: its reading, and the 99th percentile of its latency."""
        readings = [median_and_worst(self.readings(scenario, server), scenario.better) for server in servers]
        rows = [f"| {scenario.title}, {scenario.unit} | {' | '.join(readings)} |"]
        if scenario.has_latency:
            p99 = [median_and_worst(self.readings(scenario, server, "p99_us"), "less") for server in servers]
            rows.append(f"| {scenario.title.removesuffix(': p50')}: p99, µs | {' | '.join(p99)} |")
        return rows


@dataclass(frozen=True)
class Target:
    """A target for Tidegate: a ratio to a peer, or an absolute number."""

    scenario: Scenario
    limit: float
    of: str | None

    def line(self, results: Results) -> str:
        sign = "≥" if self.scenario.better == "more" else "≤"
        limit = f"{self.limit} × {self.of}" if self.of else f"{self.limit:g} {self.scenario.unit}"
        cells = [self.cell(statistic) for statistic in (results.median, results.worst)]
        return f"| {self.scenario.title} {sign} {limit} | {' | '.join(cells)} |"

    def cell(self, statistic) -> str:
        """Returns the ratio of a statistic, and the verdict on it."""
        own = statistic(self.scenario, "tidegate")
        peer = statistic(self.scenario, self.of) if self.of else 1.0
        if own is None or not peer:
            return "not measured"
        ratio = own / peer
        met = ratio >= self.limit if self.scenario.better == "more" else ratio <= self.limit
        return f"{ratio:.2f} {verdict(met)}"


TARGETS = [
    Target(ECHO_ONE_CORE, 0.8, "workerd"),
    Target(ECHO_TWO_CORES, 1.0, "workerd"),
    Target(ECHO_32, 1.25, "workerd"),
    Target(ECHO_256, 1.25, "workerd"),
    Target(CONNECT_32, 2_500.0, None),
    Target(FANOUT_100, 1.0, "workerd"),
    Target(FANOUT_1000, 1.3, "workerd"),
    Target(IDLE, 16.0, None),
]
