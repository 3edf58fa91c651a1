#!/usr/bin/env python3
"""Checks what must not be committed: the registries that this machine is set up with, and paths of this machine.

A lock file that names a registry's host works only where that host is reached. The hosts are read from the clients'
settings, so that this file need not name any.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

# Settings files in which an address would redirect a client, whatever the host.
SETTINGS = re.compile(r"(^|/)(\.npmrc|pip\.conf|\.cargo/config(\.toml)?|requirements[^/]*\.txt)$")
ADDRESS = re.compile(r"https?://")
# Home folders, and folders that only machines for building have.
PATHS = re.compile(r"(?<![\w.~$})/-])/(?:root|work|home/\w+|Users/\w+|tmp/\w+)/[\w.-]+")
# A lock file of npm states addresses under this name.
RESOLVED = re.compile(r'"resolved":\s*"https?:')


def hosts() -> set[str]:
    """The hosts of the package registries in use here, as npm and pip state them."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    commands = [["npm", "config", "get", "registry"], [sys.executable, "-m", "pip", "config", "list"]]
    found = set()
    for command in commands:
        try:
            text = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60).stdout
        except FileNotFoundError:
            continue
        addresses = re.findall(r"https?://[^\s'\"]+", text)
        found |= {host for address in addresses if (host := urlsplit(address).hostname)}
    return found - {"localhost", "127.0.0.1"}


def faults(name: str, text: str, registries: set[str]) -> list[str]:
    """What is wrong in one file, each as `line: reason`."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        found += [f"{name}:{number}: names the registry `{host}`" for host in sorted(registries) if host in line]
        if path := PATHS.search(line):
            found.append(f"{name}:{number}: a path of one machine, `{path.group()}`")
        if name.endswith("package-lock.json") and RESOLVED.search(line):
            found.append(f"{name}:{number}: states where a package came from; set `omit-lockfile-registry-resolved` in .npmrc")
        if SETTINGS.search(name) and not line.lstrip().startswith("#") and ADDRESS.search(line):
            found.append(f"{name}:{number}: sends a package client to one address")
    return found


def main(root: Path) -> int:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    registries = hosts()
    found = []
    for name in filter(None, listed.split("\0")):
        try:
            text = (root / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        found += faults(name, text, registries)
    for one in found:
        print(one, file=sys.stderr)
    print(f"committed files: {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent))
