#!/usr/bin/env python3
"""Measures the time from saving an edited Rust route to the first reply of the edited route, with `tidegate dev`.

The app is a copy of the chat example. Each round changes a text of its route `$default`, which clients see in a reply.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import machine
import sources
from servers import HERE
from tables import keep, verdict

sys.path.append(str(HERE.parent / "e2e"))

import chat
import server

SECTION = "edit"
# The edited source, in the app's folder.
SOURCE = Path("default") / "src" / "lib.rs"
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)+)"')
# Target for the time from the edit to the reply, in seconds.
LIMIT_SECONDS = 2.0
# Seconds between two probes.
PROBE_PAUSE = 0.005
# Seconds between two rounds.
ROUND_PAUSE = 1.0


def reply(client: chat.Client) -> str:
    """Sends a message without an action, and returns the error of the route `$default`."""
    client.send({})
    return client.receive_error()


def visible_literal(source: str, text: str) -> str:
    """Returns the longest string literal of a source that is part of a reply."""
    found = [literal for literal in LITERAL.findall(source.partition("#[cfg(test)]")[0]) if literal in text]
    if not found:
        raise SystemExit(f"no string literal of `{SOURCE}` is part of the reply `{text}`")
    return max(found, key=len)


def edit(client: chat.Client, path: Path, literal: str, number: int, limit: float) -> float:
    """Saves the source with an edited literal, and returns the seconds until a reply contains it."""
    edited = f"{literal} (edit {number})"
    source = path.read_text()
    current = re.sub(re.escape(literal) + r"(?: \(edit \d+\))?", lambda _: edited, source, count=1)
    began = time.monotonic()
    path.write_text(current)
    while edited not in reply(client):
        if time.monotonic() - began > limit:
            raise SystemExit(f"the edit {number} was not in a reply after {limit:g} s")
        time.sleep(PROBE_PAUSE)
    return time.monotonic() - began


def measure(options: argparse.Namespace, folder: Path) -> list[float]:
    app = sources.export(folder / "repository") / sources.CHAT
    token = subprocess.run(
        [options.tidegate, "token", "ann", "--app", app], check=True, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=options.limit,
    ).stdout.strip()
    print("building the app and starting …", file=sys.stderr, flush=True)
    command = [options.tidegate, "dev", app, "--port", "0", "--memory"]
    running = server.start(command, folder / "errors.txt")
    times = []
    try:
        with chat.Client(running.url, token) as client:
            literal = visible_literal((app / SOURCE).read_text(), reply(client))
            for number in range(1, options.rounds + 1):
                time.sleep(ROUND_PAUSE)
                times.append(edit(client, app / SOURCE, literal, number, options.limit))
                print(f"edit {number}: {times[-1]:.2f} s", file=sys.stderr, flush=True)
    finally:
        running.stop()
    return times


def text(times: list[float], load_before: str) -> str:
    # The first edit also starts cargo's incremental state.
    median, worst = statistics.median(times), max(times)
    return "\n".join([
        f"Measured on {date.today()}: {machine.describe()}. {load_before}",
        "",
        f"| from saving an edited Rust route to its reply, {len(times)} rounds | seconds | ≤ {LIMIT_SECONDS:g} s |",
        "|---|---:|---|",
        f"| first | {times[0]:.2f} | {verdict(times[0] <= LIMIT_SECONDS)} |",
        f"| median | {median:.2f} | {verdict(median <= LIMIT_SECONDS)} |",
        f"| worst | {worst:.2f} | {verdict(worst <= LIMIT_SECONDS)} |",
    ])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tidegate", type=Path, required=True, help="command line, in the profile to measure")
    parser.add_argument("--rounds", type=int, default=10, help="number of edits")
    parser.add_argument("--limit", type=float, default=120, help="time limit of a round in seconds")
    parser.add_argument("--page", type=Path, help="page to write the results to")
    options = parser.parse_args()
    options.tidegate = options.tidegate.resolve()
    load_before = machine.load()
    with tempfile.TemporaryDirectory() as folder:
        results = text(measure(options, Path(folder)), load_before)
    print(results)
    if options.page:
        keep(options.page, SECTION, results)


if __name__ == "__main__":
    main()
