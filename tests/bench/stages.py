"""Reads Criterion's measurements of the stages of an event."""

from __future__ import annotations

import json
from pathlib import Path

# The benchmark with a target.
INSTANCE = "instantiate, call, drop/pool, resident"


def read(folder: Path) -> dict[str, float]:
    """Returns medians in microseconds by benchmark, from Criterion's `new/estimates.json` files."""
    medians = {}
    for path in sorted(folder.glob("**/new/estimates.json")):
        name = json.loads((path.parent / "benchmark.json").read_text())["full_id"]
        medians[name] = json.loads(path.read_text())["median"]["point_estimate"] / 1000
    return medians
