"""Formatting of the page's tables: numbers and verdicts."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

# The modules that all tests share.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from pages import keep as keep  # noqa: E402


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
