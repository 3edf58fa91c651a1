"""Rows, findings and tables about the outcomes of attacks."""

from __future__ import annotations

import math
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from pages import keep

from .attack import CLIENT, FILE, GUEST
from .probe import ECHO, HANDSHAKE, STORE
from .runner import Outcome, Phase

# Targets in milliseconds: a neighbour's p99 is at most the larger of this and three times the quiet p99.
FLOORS = {ECHO: 10.0, STORE: 30.0}
FACTOR = 3

HEAD = (
    "| attack | echo: p99 quiet → beside, ms | storage: p99 quiet → beside, ms | failed | between | "
    "attacker's events | peak, MiB |\n|---|---:|---:|---:|---:|---:|---:|"
)
SECTIONS = {GUEST: "guests", CLIENT: "clients", FILE: "files"}


def is_met(outcome: Outcome, kind: str) -> bool:
    """Returns true if the neighbour's p99 is within the target."""
    quiet, under = outcome.quiet[kind].latency(0.99), outcome.under[kind].latency(0.99)
    return under <= max(FACTOR * quiet, FLOORS[kind])


def findings(outcome: Outcome) -> list[str]:
    """Returns the broken promises that do not depend on the machine's speed."""
    found = list(outcome.faults)
    if outcome.under:
        found += [f"{count} × {why}" for why, count in Counter(outcome.failures).most_common(4)]
        bound = outcome.attack.bound
        if bound is not None and outcome.between > bound:
            found.append(f"{outcome.between} of the attacker's events ended before an answer, more than {bound}")
    return found


def figure(value: float) -> str:
    if math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:,.1f}" if value < 1_000 else f"{value:,.0f}"


def latencies(outcome: Outcome, kind: str) -> str:
    """Formats the p99 in quiet and beside the attack. A missed target is in bold."""
    quiet, under = outcome.quiet.get(kind), outcome.under.get(kind)
    if not quiet or not under:
        return "–"
    text = f"{figure(quiet.latency(0.99))} → {figure(under.latency(0.99))}"
    return text if is_met(outcome, kind) else f"**{text}**"


def row(outcome: Outcome) -> str:
    """Returns the row of one attack."""
    failed = len(outcome.failures) + len(outcome.faults)
    between = outcome.between if outcome.under else 0
    cells = [
        f"`{outcome.attack.name}`: {outcome.attack.title}", latencies(outcome, ECHO), latencies(outcome, STORE),
        f"**{failed}** of {outcome.requests}" if failed else f"0 of {outcome.requests}", f"{between:,}",
        f"{outcome.events:,}", figure(outcome.peak),
    ]
    return f"| {' | '.join(cells)} |"


def phase(one: Phase) -> dict[str, Any]:
    return {
        "requests": len(one.records), "failed": len(one.failures), "p50": one.latency(0.5), "p99": one.latency(0.99),
        "max": one.latency(1.0), "between": one.between,
    }


def figures(outcome: Outcome) -> dict[str, Any]:
    """Returns all figures of one attack, for JSON."""
    kinds = (ECHO, STORE, HANDSHAKE)
    return {
        "attack": outcome.attack.name, "kind": outcome.attack.kind, "events": outcome.events, "peak": outcome.peak,
        "quiet": {kind: phase(outcome.quiet[kind]) for kind in kinds if kind in outcome.quiet},
        "under": {kind: phase(outcome.under[kind]) for kind in kinds if kind in outcome.under},
        "findings": findings(outcome),
    }


def write(page: Path, outcomes: list[Outcome]) -> None:
    """Replaces the tables between the markers of a page. Kinds that did not run keep their tables."""
    for kind, section in SECTIONS.items():
        of_kind = [one for one in outcomes if one.attack.kind == kind]
        if of_kind:
            echo, store = (sum(is_met(one, name) for one in of_kind if one.under) for name in (ECHO, STORE))
            failed = sum(bool(findings(one)) for one in of_kind)
            intro = (
                f"Measured on {date.today()}: {len(of_kind)} attacks, {failed} with findings. The target of the echo "
                f"was met in {echo}, that of storage in {store}.\n"
            )
            keep(page, section, "\n".join([intro, HEAD, *map(row, of_kind)]))
