#!/usr/bin/env python3
"""Checks every lock file against the known vulnerabilities of its ecosystem.

- Rust: `cargo deny check advisories`, with the database of RustSec, which is a git repository
- npm: `npm audit`, with the registry's database
- Python: `pip-audit`, with the database of PyPI

The exit status is 1 if a vulnerability is known that `[advisories] ignore` in deny.toml does not list with a reason. A
database that cannot be reached is reported and does not fail the check, because many builds reach package registries
only, and a mirror of a registry rarely has its database.
"""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 120
# The code of a cargo-deny diagnostic about a vulnerability. Other codes are about crates without a maintainer.
VULNERABILITY = "vulnerability"


@dataclass(frozen=True)
class Known:
    """A known vulnerability of a package."""

    # The id and its aliases, for example of GitHub and of the CVE list.
    ids: frozenset[str]
    package: str
    title: str

    def __str__(self) -> str:
        return f"{', '.join(sorted(self.ids))}: `{self.package}`: {self.title}"


@dataclass(frozen=True)
class Result:
    """The known vulnerabilities in one lock file, or the reason why its database was not reached."""

    known: list[Known] = field(default_factory=list)
    unreached: str = ""


def rust(output: str) -> Result:
    """Reads what cargo-deny prints: a JSON object on each line."""
    known, errors, is_complete = [], [], False
    for line in output.splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        fields = entry["fields"]
        is_complete |= entry["type"] == "summary"
        if entry["type"] == "log" and fields["level"] == "ERROR":
            errors.append(fields["message"])
        if entry["type"] == "diagnostic" and fields.get("code") == VULNERABILITY:
            advisory = fields["advisory"]
            ids = frozenset([advisory["id"], *advisory.get("aliases", [])])
            known.append(Known(ids, advisory["package"], advisory["title"]))
    return Result(known) if is_complete and not errors else Result(known, last_line(errors))


def npm(output: str) -> Result:
    """Reads what `npm audit` prints."""
    report = parsed(output)
    if "vulnerabilities" not in report:
        return Result(unreached=report.get("message") or last_line([output]))
    known = {}
    for package in report["vulnerabilities"].values():
        # A text names another vulnerable package, which has an entry of its own.
        for cause in (cause for cause in package["via"] if isinstance(cause, dict)):
            found = cause["url"].rsplit("/", 1)[-1]
            known[found, cause["name"]] = Known(frozenset([found]), cause["name"], cause["title"])
    return Result(list(known.values()))


def python(output: str) -> Result:
    """Reads what pip-audit prints. It skips a package that the database does not have."""
    packages = parsed(output).get("dependencies", [])
    known = [
        Known(frozenset([one["id"], *one.get("aliases", [])]), package["name"], one.get("description", "")[:80])
        for package in packages
        for one in package.get("vulns", [])
    ]
    skipped = [package["skip_reason"] for package in packages if "skip_reason" in package]
    if known or (packages and len(skipped) < len(packages)):
        return Result(known)
    return Result(unreached=last_line(skipped[:1] or [output]))


def parsed(output: str) -> dict[str, Any]:
    """Returns the JSON object in an output, or an empty one."""
    try:
        return json.loads(output[output.find("{") :])
    except json.JSONDecodeError:
        return {}


def last_line(texts: list[str]) -> str:
    lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def ignored(settings: dict[str, Any]) -> dict[str, str]:
    """Returns the reasons for ignoring vulnerabilities, by id."""
    reasons = {}
    for entry in settings.get("advisories", {}).get("ignore", []):
        if not isinstance(entry, dict) or not entry.get("reason"):
            raise SystemExit(f"`[advisories] ignore` in deny.toml: {entry!r} has no reason")
        reasons[entry["id"]] = entry["reason"]
    return reasons


def findings(results: dict[str, Result], reasons: dict[str, str]) -> list[str]:
    """Returns a sentence for each known vulnerability that is not ignored."""
    return [
        f"{name}: {one}" for name, result in results.items() for one in result.known if not one.ids & reasons.keys()
    ]


def output_of(*command: str | Path, folder: Path = ROOT) -> str:
    """Returns what a command prints to both streams, or the reason why it printed nothing."""
    environment = os.environ | {"NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except FileNotFoundError:
        return f"`{command[0]}` is not installed"
    except subprocess.TimeoutExpired:
        return f"no answer within {TIMEOUT_SECONDS} s"
    return f"{done.stderr}\n{done.stdout}"


def check_all() -> dict[str, Result]:
    """Checks the lock files that git tracks, by path. An unreached database is asked once."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    deny = ("cargo-deny", "--locked", "--config", ROOT / "deny.toml", "--format", "json")
    audit = ("pip-audit", "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off")
    checks = {
        "Cargo.lock": lambda path: rust(
            output_of(*deny, "--manifest-path", path.parent / "Cargo.toml", "check", "advisories")
        ),
        "package-lock.json": lambda path: npm(
            output_of("npm", "audit", "--json", "--package-lock-only", folder=path.parent)
        ),
        "requirements*.txt": lambda path: python(output_of(*audit, "-r", path)),
    }
    results = {}
    for pattern, check in checks.items():
        for path in fnmatch.filter(tracked.splitlines(), f"*{pattern}"):
            results[path] = check(ROOT / path)
            if results[path].unreached:
                break
    return results


def main() -> int:
    reasons = ignored(tomllib.loads((ROOT / "deny.toml").read_text()))
    results = check_all()
    for name, result in results.items():
        known = f"{len(result.known)} known vulnerabilities"
        print(f"advisories: {name}: {f'NOT CHECKED: {result.unreached}' if result.unreached else known}")
    for id, reason in reasons.items():
        print(f"advisories: {id} is ignored: {reason}")
    found = findings(results, reasons)
    print("\n".join(f"advisories: {finding}" for finding in found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
