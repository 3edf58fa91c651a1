"""Formatting of the page's tables: numbers, verdicts, and the place of a table in the page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def spread(readings: Sequence[float]) -> str:
    """Formats the median, with the least and the greatest reading if there are several."""
    median = number(statistics.median(readings))
    return median if len(readings) == 1 else f"{median} ({number(min(readings))} … {number(max(readings))})"


def median_and_worst(readings: Sequence[float], better: str) -> str:
    """Formats the median, with the worst reading if there are several. `better` is `more` or `less`."""
    if not readings:
        return "–"
    median = number(statistics.median(readings))
    worst = min(readings) if better == "more" else max(readings)
    return median if len(readings) == 1 else f"{median} ({number(worst)})"


def verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def keep(path: Path, section: str, text: str) -> None:
    """Replaces the text between a section's markers in a page. The rest of the page stays."""
    start, end = f"<!-- {section}: start -->", f"<!-- {section}: end -->"
    before, found, rest = path.read_text().partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"`{path}` has no `{start}` followed by `{end}`")
    path.write_text(f"{before}{start}\n{text}\n{end}{after}")
