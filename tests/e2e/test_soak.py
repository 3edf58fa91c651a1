"""Many swaps under a steady load: no socket is dropped, no answer is lost or given twice, and memory does not grow.

In short here; `make soak` makes a thousand swaps, and prints what it measured.
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
# Within which memory stays, from the swap after which everything has been loaded once to the last.
FLAT = 0.1


def in_short_and_long(short, long):
    return long if LONG else short


@pytest.fixture
def several(app):
    """The ids of the releases that take turns, by the texts of their versions."""
    return {text: app.create(text) for text in map(version, range(1, VERSIONS + 1))}


@pytest.mark.timeout(in_short_and_long(120, 7_200))
@pytest.mark.parametrize(
    ("backend", "connections", "pause", "count", "settled"),
    [
        (server.IN_PROCESS, 64, 0.1, *in_short_and_long((35, 10), (1_000, 100))),
        # A process of a function looks at the pointer every two seconds.
        (server.FROZEN, 8, 0.05, *in_short_and_long((7, 2), (200, 20))),
    ],
    indirect=["backend"],
    ids=["in-process", "frozen"],
)
def test_swaps_under_load(follow, app, several, connections, pause, count, settled, capsys):
    running = follow()

    async def soak():
        async with Load(running.url, connections, pause) as load:
            figures = await swaps.swap(app, several, load, count, lambda: resident(running))
        return load, figures

    load, figures = asyncio.run(soak())
    with capsys.disabled():
        print(f"\n{figures}")
    assert figures.swaps == count
    assert min(connection.sequence for connection in load.connections) >= count
    if not running.bootstraps():
        # A host swaps once for everybody: what was replaced answers nobody any more.
        assert max(connection.changes for connection in load.connections) <= count + 1
    for name in figures.samples[0]:
        if name.startswith("MiB"):
            before, after = figures.around(settled, name), figures.around(count, name)
            assert after <= before * (1 + FLAT), f"{name}: {before:.1f} after {settled} swaps, {after:.1f} at the end"
    assert running.process.poll() is None


def resident(running):
    """The resident memory of the command and of the function's processes."""
    processes = running.bootstraps()
    told = {"MiB of tidegate": mebibytes(running.process.pid)}
    if processes:
        sizes = [mebibytes(process) for process in processes]
        told |= {"MiB of a bootstrap": sum(sizes) / len(sizes), "bootstraps": len(sizes)}
    return told


def mebibytes(process):
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1_024
