#!/usr/bin/env python3
"""Fuzzes each property of this folder, prints a row for each, and rewrites the table of a page.

    tests/fuzz/run.py --seconds 60
    tests/fuzz/run.py --select frames --seconds 600        fuzzes one property
    tests/fuzz/run.py --keep                               adds inputs that reach new code to `corpus`
    tests/fuzz/run.py --page docs/RELIABILITY.md           rewrites the table

A run begins with the kept inputs and with those that earlier runs on this machine have found. The exit status is 1 if
an input breaks a property. `cargo fuzz` builds the targets on the stable toolchain: their code is instrumented, without
a sanitizer.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGETS = HERE / "targets"
CORPUS = HERE / "corpus"
BUILT = TARGETS / "target"
# The maximum size of an input. A larger one takes longer and reaches no other code.
MAX_BYTES = 4_096
# The largest input that is kept, and the number of kept inputs of a target, so that tests replay them quickly.
MAX_KEPT_BYTES = 1_024
MAX_KEPT = 64
# The time after which an input hangs.
TIMEOUT_SECONDS = 20

TITLES = {
    "connections_path": "paths of `@connections`, through a socket",
    "document": "documents: JSON to DynamoDB's attribute values and back, numbers included",
    "envelope": "signed envelopes of releases",
    "event": "events, replies, decisions and function errors",
    "frames": "WebSocket frames, through a socket",
    "http_head": "heads of HTTP requests, through a socket",
    "manifest": "`tidegate.toml` and `app.json`",
    "release_manifest": "manifests of releases",
    "selection": "route selection expressions and messages",
}
HEAD = (
    "| target | inputs | executions | code points | inputs found | kept | findings |\n"
    "|---|---|---:|---:|---:|---:|---:|"
)
SECTION = "fuzz"


@dataclass(frozen=True)
class Outcome:
    """The figures of one target."""

    name: str
    # The number of inputs that were tried.
    executions: int
    # The number of places of the code that the inputs have reached.
    points: int
    # The number of inputs that each reach something that the others do not.
    found: int
    # The inputs that broke the property.
    findings: list[Path]


def build(cargo_fuzz: Path) -> Path:
    """Builds the targets, and returns their folder."""
    environment = {name: value for name, value in os.environ.items() if name != "RUSTC_WORKSPACE_WRAPPER"}
    options = ("--fuzz-dir", str(TARGETS), "--sanitizer", "none")
    subprocess.run([cargo_fuzz, "build", *options], cwd=TARGETS, env=environment, check=True)
    [folder] = BUILT.glob("*-unknown-linux-gnu/release")
    return folder


def fuzz(program: Path, seconds: int) -> Outcome:
    """Fuzzes one target."""
    name = program.name
    work, broken = BUILT / "corpus" / name, BUILT / "findings" / name
    for folder in (work, broken):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(broken.iterdir())
    options = [
        f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", f"-timeout={TIMEOUT_SECONDS}",
        f"-artifact_prefix={broken}/", "-print_final_stats=1",
    ]
    done = subprocess.run(
        [program, *options, work, CORPUS / name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        errors="replace",
    )
    findings = sorted(set(broken.iterdir()) - before)
    if done.returncode:
        print(done.stderr[-8_000:], file=sys.stderr)
    if done.returncode and not findings:
        raise SystemExit(f"`{name}` ended with status {done.returncode}, and no input of it is known")
    return read(name, done.stderr, findings)


def read(name: str, output: str, findings: list[Path]) -> Outcome:
    """Reads the figures that libFuzzer prints."""
    executions = re.findall(r"^stat::number_of_executed_units:\s*(\d+)", output, re.MULTILINE)
    if not executions:
        # A finding ends the run without statistics.
        executions = re.findall(r"^#(\d+)\s", output, re.MULTILINE) or ["0"]
    reached = re.findall(r"\bcov: (\d+) .*\bcorp: (\d+)/", output) or [("0", "0")]
    points, found = reached[-1]
    return Outcome(name, int(executions[-1]), int(points), int(found), findings)


def keep(program: Path) -> None:
    """Adds the smallest inputs that reach new code to the kept ones."""
    options = ["-merge=1", "-set_cover_merge=1", "-use_counters=0", f"-max_len={MAX_KEPT_BYTES}"]
    kept = CORPUS / program.name
    before = set(kept.iterdir())
    folders = [kept, BUILT / "corpus" / program.name]
    subprocess.run([program, *options, *folders], stderr=subprocess.DEVNULL, check=True)
    added = sorted(set(kept.iterdir()) - before, key=lambda path: path.stat().st_size)
    for path in added[max(0, MAX_KEPT - len(before)) :]:
        path.unlink()


def row(outcome: Outcome) -> str:
    kept = len(list((CORPUS / outcome.name).iterdir()))
    findings = f"**{len(outcome.findings)}**" if outcome.findings else "0"
    cells = [
        f"`{outcome.name}`", TITLES[outcome.name], f"{outcome.executions:,}", f"{outcome.points:,}",
        f"{outcome.found:,}", f"{kept:,}", findings,
    ]
    return f"| {' | '.join(cells)} |"


def write(page: Path, rows: list[str], seconds: int) -> None:
    """Replaces the table between the markers of a page."""
    start, end = f"<!-- {SECTION}: start -->", f"<!-- {SECTION}: end -->"
    before, found, rest = page.read_text().partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"`{page}` has no `{start}` followed by `{end}`")
    intro = f"Measured on {date.today()}: {seconds} seconds for each target.\n"
    page.write_text(f"{before}{start}\n" + "\n".join([intro, HEAD, *rows]) + f"\n{end}{after}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cargo-fuzz", type=Path, default=Path("cargo-fuzz"), help="the program `cargo-fuzz`")
    parser.add_argument("--seconds", type=int, default=60, help="duration for each target")
    parser.add_argument("--select", nargs="*", default=[], help="fuzz targets whose names contain one of these")
    parser.add_argument("--keep", action="store_true", help="add inputs that reach new code to the kept ones")
    parser.add_argument("--page", type=Path, help="page whose table is rewritten")
    options = parser.parse_args()
    if options.page and options.select:
        parser.error("--page needs all targets, so leave out --select")
    return options


def main() -> int:
    options = arguments()
    built = build(options.cargo_fuzz)
    names = [name for name in TITLES if not options.select or any(word in name for word in options.select)]
    rows, findings = [], []
    print(HEAD, flush=True)
    for name in names:
        outcome = fuzz(built / name, options.seconds)
        if options.keep and not outcome.findings:
            keep(built / name)
        findings += outcome.findings
        rows.append(row(outcome))
        print(rows[-1], flush=True)
    for finding in findings:
        kept = CORPUS / finding.parent.name
        print(f"finding: copy `{finding}` to `{kept}`, under a name that says what it is, and `make test` fails")
    if options.page:
        write(options.page, rows, options.seconds)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
