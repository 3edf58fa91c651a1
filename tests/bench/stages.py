"""Reads what Criterion measured of the stages of the flow."""

from __future__ import annotations

import json
from pathlib import Path

# The benchmark that has a target.
INSTANCE = "instantiate, call, drop/pool, resident"


def read(folder: Path) -> dict[str, float]:
    """Medians in microseconds by benchmark, from Criterion's `new/estimates.json` files."""
    medians = {}
    for path in sorted(folder.glob("**/new/estimates.json")):
        name = json.loads((path.parent / "benchmark.json").read_text())["full_id"]
        medians[name] = json.loads(path.read_text())["median"]["point_estimate"] / 1000
    return medians
