"""Many swaps under a steady load: no socket is dropped, no reply is lost or duplicated, and memory does not grow.

The test is short by default. `make soak` makes a thousand swaps. Both print their measurements.
"""

import asyncio
import os
from pathlib import Path

import pytest
import server
import swaps
from load import Load
from releases import version

LONG = os.environ.get("TIDEGATE_SOAK") == "long"
VERSIONS = 8
# Allowed growth of memory, from the swap after which every release has been loaded once to the last swap.
MAX_GROWTH = 0.1


def short_or_long(short, long):
    return long if LONG else short


@pytest.fixture
def several(app):
    """Ids of the releases that take turns, by version text."""
    return {text: app.create(text) for text in map(version, range(1, VERSIONS + 1))}


# The two runs measure, so they do not run side by side.
@pytest.mark.xdist_group("soak")
@pytest.mark.timeout(short_or_long(120, 7_200))
@pytest.mark.parametrize(
    ("backend", "connections", "pause", "count", "settled"),
    [
        (server.IN_PROCESS, 64, 0.1, *short_or_long((35, 10), (1_000, 100))),
        (server.FROZEN, 8, 0.05, *short_or_long((7, 2), (200, 20))),
    ],
    indirect=["backend"],
    ids=["in-process", "frozen"],
)
def test_swaps_under_load(follow, app, several, connections, pause, count, settled, record_property):
    # The long run reads the pointer as rarely as in production.
    running = follow(max_staleness=None if LONG else server.MAX_STALENESS)

    async def soak():
        async with Load(running.url, connections, pause) as load:
            figures = await swaps.swap(app, several, load, count, lambda: resident(running))
        return load, figures

    load, figures = asyncio.run(soak())
    record_property("figures", str(figures))
    assert figures.swaps == count
    assert min(connection.sequence for connection in load.connections) >= count
    if not running.bootstraps():
        # One host swaps for all connections at once, so no reply comes from the old release after a swap.
        assert max(connection.changes for connection in load.connections) <= count + 1
    for name in figures.samples[0]:
        if name.startswith("MiB"):
            before, after = figures.around(settled, name), figures.around(count, name)
            assert after <= before * (1 + MAX_GROWTH), f"{name}: {before:.1f}, later {after:.1f}"
    assert running.process.poll() is None


def resident(running):
    """Returns the resident memory of the command and of the function's processes."""
    processes = running.bootstraps()
    figures = {"MiB of tidegate": mebibytes(running.process.pid)}
    if processes:
        sizes = [mebibytes(process) for process in processes]
        figures |= {"MiB of a bootstrap": sum(sizes) / len(sizes), "bootstraps": len(sizes)}
    return figures


def mebibytes(process):
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1_024
