#!/usr/bin/env python3
"""Runs attacks beside the probe, prints a row for each, and rewrites the tables of a page.

    tests/hostile/run.py --tidegate target/release/tidegate --components tests/guests/target/wasm32-wasip2/release
    tests/hostile/run.py … --select spin --seconds 10      runs the attacks whose names contain `spin`
    tests/hostile/run.py … --page docs/RELIABILITY.md      rewrites the tables

The exit status is 1 if a request of the probe failed, if the server ended or did not stop, or if more of the attacker's
events ended between a request and its answer than the attack allows. Latency never changes the exit status.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The package itself, and the modules of the end-to-end tests that start servers.
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "e2e")]

from hostile import catalogue, report  # noqa: E402
from hostile.attack import KINDS, Attack  # noqa: E402
from hostile.runner import Outcome, Setting, run  # noqa: E402


def selected(options: argparse.Namespace) -> list[Attack]:
    """Returns the attacks to run, guests first."""
    words = options.select
    attacks = [one for one in catalogue.attacks().values() if one.kind in options.kind]
    attacks = [one for one in attacks if not words or any(word in one.name for word in words)]
    return sorted(attacks, key=lambda one: KINDS.index(one.kind))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = HERE.parents[1]
    parser.add_argument("--tidegate", type=Path, default=root / "target" / "debug" / "tidegate")
    parser.add_argument(
        "--components", type=Path, default=root / "tests" / "guests" / "target" / "wasm32-wasip2" / "release"
    )
    parser.add_argument("--kind", action="append", choices=KINDS, help="run attacks of this kind only")
    parser.add_argument("--select", nargs="*", default=[], help="run attacks whose names contain one of these")
    parser.add_argument("--seconds", type=float, default=5.0, help="duration of each attack")
    parser.add_argument("--quiet", type=float, default=3.0, help="duration of the baseline before each attack")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the number of sockets")
    parser.add_argument("--argument", action="append", default=[], help="an argument of `tidegate dev`")
    parser.add_argument("--folder", type=Path, help="folder for the app and the logs, which is kept")
    parser.add_argument("--page", type=Path, help="page whose tables are rewritten")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--list", action="store_true", help="list the attacks, and run none")
    options = parser.parse_args()
    options.kind = options.kind or list(KINDS)
    return options


def main() -> int:
    options = arguments()
    attacks = selected(options)
    if options.list:
        print("\n".join(f"{one.kind}\t{one.name}\t{one.title}" for one in attacks))
        return 0
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="hostile-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        setting = Setting(
            options.tidegate.absolute(), options.components.absolute(), folder.absolute(), options.quiet,
            options.seconds, options.scale, tuple(options.argument),
        )
        print(report.HEAD, flush=True)
        for attack in attacks:
            outcomes.append(run(attack, setting))
            print(report.row(outcomes[-1]), flush=True)
            if options.json:
                options.json.write_text(json.dumps([report.figures(one) for one in outcomes], indent=1))
    if options.page:
        report.write(options.page, outcomes)
    wrong = [one for one in outcomes if report.findings(one)]
    for one in wrong:
        print(f"{one.attack.name}: {'; '.join(report.findings(one))}", file=sys.stderr)
    print(f"{len(outcomes)} attacks, {len(wrong)} with findings", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
