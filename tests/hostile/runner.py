"""Runs one attack beside the probe, and returns what became of the probe's requests."""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import server

from . import app
from .attack import Attack
from .probe import ECHO, HANDSHAKE, PAUSES, STORE, SURPLUS, Record
from .tally import Tally

TESTS = Path(__file__).resolve().parents[1]
# Seconds that an attacker has to end after its time, and a probe to receive the outstanding answers.
GRACE = 60
# Seconds between the first signal and the second.
DRAINING = 3
# Seconds without an attack before the end, so that a late effect is seen.
AFTERWARDS = 0.5


@dataclass
class Phase:
    """The requests of one kind in one phase: quiet, or under attack."""

    records: list[Record]

    @property
    def failures(self) -> list[str]:
        return [record.failure for record in self.records if record.failure]

    def latency(self, quantile: float) -> float:
        """Returns a quantile of the latency in milliseconds. A request that failed counts as endless."""
        times = sorted(
            math.inf if one.failure or one.answered is None else 1_000 * (one.answered - one.sent)
            for one in self.records
        )
        return times[min(len(times) - 1, math.ceil(quantile * len(times)) - 1)] if times else math.nan

    @property
    def between(self) -> int:
        """Most events of the attacker that ended between a request and its answer."""
        return max((record.between for record in self.records), default=0)


@dataclass
class Outcome:
    """The effect of an attack on its neighbour and on the server."""

    attack: Attack
    quiet: dict[str, Phase] = field(default_factory=dict)
    under: dict[str, Phase] = field(default_factory=dict)
    # The attacker's ended events.
    events: int = 0
    # Largest resident memory of the server, in MiB.
    peak: float = 0.0
    attacker: str = ""
    # Faults of the server itself: it ended, or it did not stop.
    faults: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return sum(len(phase.records) for phase in self.under.values())

    @property
    def failures(self) -> list[str]:
        """Failed requests under attack. Handshakes count unless the attack is on what they share."""
        kinds = [ECHO, STORE, SURPLUS] + ([] if self.attack.shares_connect else [HANDSHAKE])
        return [f"{kind}: {why}" for kind in kinds if kind in self.under for why in self.under[kind].failures]

    @property
    def between(self) -> int:
        return max((self.under[kind].between for kind in (ECHO, STORE) if kind in self.under), default=0)


@dataclass
class Setting:
    """The programs and folders of a run."""

    tidegate: Path
    # Folder of the compiled guests.
    components: Path
    # Folder of the app, of its logs and of the records.
    folder: Path
    quiet: float = 3.0
    seconds: float = 5.0
    scale: float = 1.0
    arguments: tuple[str, ...] = ()


def run(attack: Attack, setting: Setting) -> Outcome:
    """Starts a server, probes it, attacks it, and stops it."""
    outcome = Outcome(attack)
    folder = setting.folder / "app"
    app.write(folder, setting.components, attack.manifest)
    if attack.prepare:
        attack.prepare(folder, setting.tidegate)
    with errors_kept(outcome), started(attack, setting, folder) as running:
        tally = setting.folder / "tally"
        Tally.create(tally)
        records, begun, ended = probe_and_attack(attack, setting, running, outcome, tally)
        outcome.events = Tally(tally).total()
        outcome.peak = peak(running.process.pid)
        if running.process.poll() is not None:
            outcome.faults.append(f"the server ended with status {running.process.returncode}")
        split(outcome, records, begun, ended)
        stop(running, outcome)
    return outcome


@contextlib.contextmanager
def errors_kept(outcome: Outcome) -> Iterator[None]:
    """Turns an exception of the run into a fault, so that the next attack runs."""
    try:
        yield
    except (AssertionError, OSError, subprocess.SubprocessError, server.NotStarted) as error:
        outcome.faults.append(f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def started(attack: Attack, setting: Setting, folder: Path) -> Iterator[server.Server]:
    """Starts the server, and kills it if it is still running at the end."""
    errors = setting.folder / f"{attack.name}.log"
    errors.unlink(missing_ok=True)
    command = [setting.tidegate, "dev", folder, "--port", "0", "--memory", *attack.arguments, *setting.arguments]
    with contextlib.ExitStack() as closing:
        if attack.unread_stderr:
            os.mkfifo(errors)
            # A reader that does not read: the pipe fills up, and writing does not fail.
            closing.callback(os.close, os.open(errors, os.O_RDWR))
        limits = {resource.RLIMIT_DATA: attack.allocated} if attack.allocated else None
        running = server.start(command, errors, limits=limits)
        try:
            yield running
        finally:
            if running.process.poll() is None:
                running.kill()


def python(module: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    """Starts a module of this package as a process."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", f"hostile.{module}", *map(str, arguments)], text=True,
        env=os.environ | {"PYTHONPATH": path}, **options,
    )


def probe_and_attack(
    attack: Attack, setting: Setting, running: server.Server, outcome: Outcome, tally: Path
) -> tuple[list[Record], float, float]:
    """Runs the probe, in quiet and then beside the attack. Returns its records, and the times of the attack."""
    output = setting.folder / "probe.json"
    output.unlink(missing_ok=True)
    complaints = setting.folder / "probe.log"
    with complaints.open("w") as errors:
        probe = python(
            "probe", running.url, tally, output, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
    attacker = None
    try:
        assert probe.stdout and probe.stdin
        assert probe.stdout.readline() == "ready\n", f"the probe did not start: {complaints.read_text()[-200:]}"
        time.sleep(setting.quiet)
        begun = time.monotonic()
        attacker = python(
            "attacker", attack.name, running.url, setting.folder / "app", setting.tidegate, tally, setting.seconds,
            setting.scale, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        _, errors = attacker.communicate(timeout=setting.seconds + GRACE)
        if attacker.returncode:
            outcome.faults.append(f"the attacker failed: {last_line(errors)}")
        ended = time.monotonic()
        time.sleep(AFTERWARDS)
        probe.stdin.close()
        assert probe.wait(GRACE) == 0, f"the probe failed: {complaints.read_text()[-200:]}"
    finally:
        for process in (probe, attacker):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        if probe.stdout:
            probe.stdout.close()
    return [Record(**record) for record in json.loads(output.read_text())], begun, ended


def last_line(text: str) -> str:
    """Returns the line of a traceback that names the exception."""
    return next(iter(reversed(text.strip().splitlines())), "it wrote nothing")


def split(outcome: Outcome, records: list[Record], begun: float, ended: float) -> None:
    """Sorts the records by phase and kind. The start of the attacker's process is not part of the attack."""
    for kind in {record.kind for record in records} | PAUSES.keys():
        of_kind = [record for record in records if record.kind == kind]
        outcome.quiet[kind] = Phase([record for record in of_kind if record.sent < begun])
        outcome.under[kind] = Phase([record for record in of_kind if begun <= record.sent])


def stop(running: server.Server, outcome: Outcome) -> None:
    """Stops the server with SIGTERM, which it must obey whatever its guests do.

    After the first signal the server may wait for events in progress. The second ends it at once.
    """
    running.send_signal(signal.SIGTERM)
    try:
        status = running.process.wait(DRAINING)
    except subprocess.TimeoutExpired:
        try:
            running.stop()
        except subprocess.TimeoutExpired:
            outcome.faults.append("the server ignored two signals")
            running.kill()
        return
    running.join_reader()
    if status != 0:
        outcome.faults.append(f"the server stopped with status {status}")


def peak(process: int) -> float:
    """Returns the largest resident memory of a process so far, in MiB."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except FileNotFoundError:
        return math.nan
    return next((int(line.split()[1]) / 1_024 for line in lines if line.startswith("VmHWM:")), math.nan)
