#!/usr/bin/env python3
"""Measures the steps from nothing to the first chat message: fetching, building and starting, as `make dev` does.

Cargo's home and the target folder are new, and the sources are a copy of the current commit. The host is built by the
cargo command that `make dev` runs. The table of the slowest crates comes from `cargo build --timings`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import machine
import sources
from servers import HERE
from tables import keep

sys.path.append(str(HERE.parent / "e2e"))

import chat
import server

SECTION = "first-run"
SLOWEST = 20
# Target for the time to the first chat message, in seconds.
LIMIT_SECONDS = 360


@dataclass
class Steps:
    """The steps so far, each with its time in seconds."""

    limit: float
    times: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return sum(self.times.values())

    def measure(self, name: str, action: Callable[[], object]) -> object:
        """Calls an action, records its time, and returns its result."""
        print(f"{name} …", file=sys.stderr, flush=True)
        began = time.monotonic()
        result = action()
        self.times[name] = time.monotonic() - began
        print(f"{name}: {self.times[name]:.1f} s", file=sys.stderr, flush=True)
        return result

    def run(self, name: str, *command: str | Path, cwd: Path, environment: dict[str, str]) -> str:
        """Runs a command within the time that is left, records its time, and returns its output."""
        return str(self.measure(name, lambda: self.output(*command, cwd=cwd, environment=environment)))

    def output(self, *command: str | Path, cwd: Path, environment: dict[str, str]) -> str:
        """Runs a command within the time that is left, and returns its output."""
        left = max(1.0, self.limit - self.total)
        try:
            done = subprocess.run(
                command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                timeout=left,
            )
        except subprocess.TimeoutExpired as error:
            raise SystemExit(f"`{shlex.join(map(str, command))}` exceeded the limit of {self.limit:.0f} s") from error
        if done.returncode:
            raise SystemExit(f"`{shlex.join(map(str, command))}` failed with status {done.returncode}")
        return done.stdout


def new_folder(path: Path) -> Path:
    """Creates a folder, which must not exist or must be empty."""
    path = path.resolve()
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise SystemExit(f"`{path}` is not empty; hint: give a new folder, so that the measurement starts from nothing")
    return path


def copy_cargo_settings(home: Path) -> None:
    """Copies cargo's settings, so that the new home uses the same registries."""
    old = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    for name in ("config.toml", "config"):
        if (old / name).is_file():
            shutil.copy(old / name, home)


def build_command(repository: Path) -> list[str]:
    """Returns the cargo command that builds the host in `make dev`, without running the program."""
    printed = subprocess.run(["make", "--dry-run", "dev"], cwd=repository, capture_output=True, text=True, check=True)
    (line,) = (line for line in printed.stdout.splitlines() if re.match(r"\s*(\w+=\S*\s+)*cargo run\b", line))
    words = shlex.split(line.partition(" -- ")[0])
    return ["env", *words[: words.index("run")], "build", *words[words.index("run") + 1 :]]


def slowest_crates(target: Path, count: int) -> list[tuple[str, float]]:
    """Reads the slowest units of `cargo build --timings`, with their seconds."""
    report = (target / "cargo-timings" / "cargo-timing.html").read_text()
    data = report[report.index("[", report.index("UNIT_DATA = ")) :]
    units, _ = json.JSONDecoder().raw_decode(data)
    times = [(f"{unit['name']} {unit['version']}{unit['target']}", float(unit["duration"])) for unit in units]
    return sorted(times, key=lambda entry: -entry[1])[:count]


def program(target: Path) -> Path:
    """Finds the program that cargo has built, in whichever profile `make dev` uses."""
    found = [path for path in target.glob("*/tidegate") if os.access(path, os.X_OK)]
    if len(found) != 1:
        raise SystemExit(f"cannot find one program `tidegate` in `{target}`: {len(found)} were found")
    return found[0]


def measure(options: argparse.Namespace) -> tuple[Steps, list[tuple[str, float]]]:
    home, target = new_folder(options.cargo_home), new_folder(options.target_dir)
    copy_cargo_settings(home)
    repository = sources.export(target / "repository")
    environment = sources.environment(CARGO_HOME=str(home))
    host = environment | {"CARGO_TARGET_DIR": str(target / "host")}
    steps = Steps(options.limit)
    fetch = ["cargo", "fetch", "--locked"]
    steps.run("fetch the host's crates", *fetch, cwd=repository, environment=environment)
    steps.run("fetch the guests' crates", *fetch, cwd=repository / "guest", environment=environment)
    command = [*build_command(repository), "--timings"]
    steps.run("build the host", *command, cwd=repository, environment=host)
    tidegate, app = program(target / "host"), repository / sources.CHAT
    steps.run("build and compile the guests", tidegate, "build", app, cwd=repository, environment=environment)
    token = steps.output(tidegate, "token", "ann", "--app", app, cwd=repository, environment=environment).strip()
    os.environ["CARGO_HOME"] = str(home)
    start = [tidegate, "dev", app, "--port", "0", "--memory"]
    running = steps.measure("start", lambda: server.start(start, target / "errors.txt"))
    assert isinstance(running, server.Server)
    try:
        steps.measure("connect and send the first message", lambda: send_message(running.url, token))
    finally:
        running.stop()
    return steps, slowest_crates(target / "host", SLOWEST)


def send_message(url: str, token: str) -> None:
    with chat.Client(url, token) as client:
        client.say(chat.unique("hello"))


def text(steps: Steps, crates: list[tuple[str, float]], load_before: str) -> str:
    verdict = "met" if steps.total <= LIMIT_SECONDS else "**missed**"
    lines = [
        f"Measured on {date.today()}: {machine.describe()}. {load_before}",
        "",
        "| step | seconds |",
        "|---|---:|",
        *[f"| {name} | {seconds:.1f} |" for name, seconds in steps.times.items()],
        f"| **total** | **{steps.total:.1f}** |",
        "",
        f"Target: at most {LIMIT_SECONDS} s to the first chat message: {verdict}.",
        "",
        f"| the {len(crates)} slowest crates of the host's build | seconds |",
        "|---|---:|",
        *[f"| {name} | {seconds:.1f} |" for name, seconds in crates],
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cargo-home", type=Path, required=True, help="new folder for cargo's home")
    parser.add_argument("--target-dir", type=Path, required=True, help="new folder for the sources and builds")
    parser.add_argument("--limit", type=float, default=1_800, help="seconds after which the measurement is ended")
    parser.add_argument("--page", type=Path, help="page to write the results to")
    options = parser.parse_args()
    load_before = machine.load()
    results = text(*measure(options), load_before)
    print(results)
    if options.page:
        keep(options.page, SECTION, results)


if __name__ == "__main__":
    main()
