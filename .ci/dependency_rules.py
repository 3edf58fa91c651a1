#!/usr/bin/env python3
"""Checks the dependency rules of docs/ARCHITECTURE.md against the resolved dependency graph.

`cargo metadata` lists the declared dependencies of a crate. `cargo tree -p` lists all that it is built with, because it
unifies features over that crate alone, as the build of the Lambda does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PREFIX = "tidegate-"
COMPILER = "cranelift-codegen"
PORTS = {"event", "ports"}
MODEL = PORTS | {"app", "diagnostic", "files"}
CONTRACTS = MODEL | {"release"}


@dataclass(frozen=True)
class Rule:
    """The allowed dependencies of one crate. A crate without a rule is a violation, because it needs a decision."""

    # Crates of this workspace that the crate may declare, by folder.
    internal: frozenset[str]
    # Third-party crates that the crate may declare; None allows all.
    external: frozenset[str] | None = None
    # Packages that may not be in the dependency graph of the crate; a final `*` matches any suffix.
    absent: tuple[str, ...] = (COMPILER,)


def rule(internal: set[str], external: set[str] | None = None, absent: tuple[str, ...] = (COMPILER,)) -> Rule:
    """Returns a rule from plain sets."""
    return Rule(frozenset(internal), None if external is None else frozenset(external), absent)


RULES = {
    # JSON, base64 and time, and nothing else. `serde_path_to_error` gives the place of an error in the JSON.
    "event": rule(set(), {"base64", "serde", "serde_json", "serde_path_to_error", "thiserror", "time"}),
    # No dependencies, because every crate whose errors a user can meet depends on it.
    "diagnostic": rule(set(), set()),
    # Small, because the function contains it.
    "files": rule(set(), {"rustix", "thiserror"}),
    "ports": rule({"event"}, absent=("wasmtime*", "aws-*", "hyper", COMPILER)),
    # The conformance suites. Only tests depend on them, so no rule allows them.
    "ports-testing": rule(PORTS, absent=("wasmtime*", "aws-*", "hyper", COMPILER)),
    "app": rule(PORTS | {"diagnostic", "files"}, absent=("wasmtime*", "aws-*", "hyper", "ring", COMPILER)),
    "release": rule(MODEL, absent=("wasmtime*", COMPILER)),
    "release-testing": rule(CONTRACTS, absent=("wasmtime*", COMPILER)),
    "runtime": rule(CONTRACTS, absent=("aws-sdk-*", "hyper", COMPILER)),
    "compile": rule(CONTRACTS | {"runtime"}, absent=("aws-sdk-*",)),
    # Implements the ports of `ports` and the store of `release`.
    "aws": rule(CONTRACTS, absent=("wasmtime*", "dynoxide*", COMPILER)),
    # Implements the HTTP client interface of the AWS SDK for any caller, and depends on none of our crates.
    "dynamodb-embedded": rule(set(), absent=("wasmtime*", "aws-sdk-*", COMPILER)),
    # Names, origins, signatures and secrets, for the servers of a developer's machine.
    "local-access": rule(set(), absent=("wasmtime*", "aws-sdk-*", "hyper", COMPILER)),
    "gateway": rule(
        PORTS | {"app", "diagnostic", "local-access"}, absent=("wasmtime*", "aws-sdk-*", "dynoxide*", COMPILER)
    ),
    # Drives a Lambda function, also for the benchmarks of other runtimes, so it depends on no database and no gateway.
    "lambda-emulator": rule(
        {"diagnostic", "event", "local-access"}, absent=("wasmtime*", "aws-sdk-*", "dynoxide*", COMPILER)
    ),
    "lambda": rule(
        CONTRACTS | {"aws", "runtime"},
        absent=(COMPILER, "dynoxide*", "tidegate-gateway", "tidegate-dynamodb-embedded", "tidegate-local-access"),
    ),
    "cli": rule(
        CONTRACTS | {"aws", "compile", "dynamodb-embedded", "gateway", "lambda-emulator", "local-access", "runtime"},
        absent=(),
    ),
    # Properties of what strangers send. Nothing depends on them.
    "fuzz": rule(
        CONTRACTS | {"aws", "gateway", "local-access"}, absent=("wasmtime*", "dynoxide*", COMPILER)
    ),
    # The load generator and the driver of functions: they measure the host from outside.
    "bench": rule(set(), absent=("wasmtime*", "aws-sdk-*", COMPILER)),
    "bench-lambda": rule({"bench", "event", "lambda-emulator"}, absent=("wasmtime*", "aws-sdk-*", COMPILER)),
}


@dataclass(frozen=True)
class Crate:
    """A crate of the workspace, with its declared dependencies and all packages in its dependency graph."""

    name: str
    declared: frozenset[str]
    closure: frozenset[str]


def violations(crates: list[Crate], rules: dict[str, Rule] = RULES) -> list[str]:
    """Returns a sentence for each broken rule."""
    found = []
    for crate in sorted(crates, key=lambda crate: crate.name):
        folder = crate.name.removeprefix(PREFIX)
        known = rules.get(folder)
        if known is None:
            found.append(f"`{crate.name}` has no rule; add one to `.ci/dependency_rules.py`, and document it in docs")
            continue
        internal = {name.removeprefix(PREFIX) for name in crate.declared if name.startswith(PREFIX)}
        external = {name for name in crate.declared if not name.startswith(PREFIX)}
        found += [f"`{crate.name}` may not depend on `{PREFIX}{name}`" for name in sorted(internal - known.internal)]
        if known.external is not None:
            found += [f"`{crate.name}` may not depend on `{name}`" for name in sorted(external - known.external)]
        for pattern in known.absent:
            hits = sorted(name for name in crate.closure - {crate.name} if matches(name, pattern))
            found += [
                f"`{crate.name}` may not be built with `{name}`: see `cargo tree -p {crate.name} -i {name}`"
                for name in hits
            ]
    return found


def matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def read(root: Path) -> list[Crate]:
    """Reads the crates of the workspace at `root`."""
    metadata = json.loads(cargo(root, "metadata", "--format-version", "1", "--no-deps"))
    crates = []
    for package in metadata["packages"]:
        # Dependencies of tests and build scripts are not shipped, so they have no rules.
        declared = frozenset(entry["name"] for entry in package["dependencies"] if entry["kind"] is None)
        options = ("--edges", "normal", "--prefix", "none", "--format", "{p}")
        tree = cargo(root, "tree", "--package", package["name"], *options)
        closure = frozenset(line.split()[0] for line in tree.splitlines() if line.strip())
        crates.append(Crate(package["name"], declared, closure))
    return crates


def cargo(root: Path, *arguments: str) -> str:
    done = subprocess.run(["cargo", *arguments], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"`cargo {' '.join(arguments)}` failed:\n{done.stderr}")
    return done.stdout


def main(root: Path) -> int:
    crates = read(root)
    found = violations(crates)
    for violation in found:
        print(f"dependency rules: {violation}", file=sys.stderr)
    print(f"dependency rules: {len(crates)} crates, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent))
