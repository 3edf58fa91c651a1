"""What the tables of the page have in common: numbers, verdicts, and where a table is kept."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def spread(readings: Sequence[float]) -> str:
    """The median, and where there are several readings the least and the most of them."""
    middle = number(statistics.median(readings))
    return middle if len(readings) == 1 else f"{middle} ({number(min(readings))} … {number(max(readings))})"


def verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def keep(path: Path, section: str, text: str) -> None:
    """Replaces what stands between a section's markers; what people wrote around them stays."""
    start, end = f"<!-- {section}: start -->", f"<!-- {section}: end -->"
    before, found, rest = path.read_text().partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"`{path}` has no `{start}` followed by `{end}`")
    path.write_text(f"{before}{start}\n{text}\n{end}{after}")
