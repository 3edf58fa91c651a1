#!/usr/bin/env python3
"""Checks the size of Lambda packages, because Lambda reads the package at each cold start."""

from __future__ import annotations

import sys
from pathlib import Path

# Bytes of a zip file.
LIMIT = 6_000_000


def problems(packages: list[Path], limit: int = LIMIT) -> list[str]:
    """Returns a sentence for each package above the limit."""
    return [
        f"`{package}` has {size:,} bytes, above the limit of {limit:,}"
        for package in packages
        if (size := package.stat().st_size) > limit
    ]


def main(arguments: list[str]) -> int:
    packages = [Path(argument) for argument in arguments]
    for package in packages:
        print(f"{package.name}: {package.stat().st_size:,} bytes of {LIMIT:,}")
    found = problems(packages)
    print("\n".join(found), end="\n" if found else "")
    return 1 if found or not packages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
