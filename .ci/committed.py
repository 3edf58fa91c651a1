#!/usr/bin/env python3
"""Checks that tracked files name no package registry and no path of this machine.

A lock file that names the host of a registry works only where that host is reachable. The hosts are read from the
settings of npm and pip, so that this file does not name them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

# Settings files in which any address redirects a package client.
SETTINGS = re.compile(r"(^|/)(\.npmrc|pip\.conf|\.cargo/config(\.toml)?|requirements[^/]*\.txt)$")
ADDRESS = re.compile(r"https?://")
# Home folders, and folders that exist on build machines only.
PATHS = re.compile(r"(?<![\w.~$})/-])/(?:root|work|home/\w+|Users/\w+|tmp/\w+)/[\w.-]+")
# Key of the download address in a lock file of npm.
RESOLVED = re.compile(r'"resolved":\s*"https?:')


def hosts() -> set[str]:
    """Returns the hosts of the package registries in the settings of npm and pip."""
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


def findings(name: str, text: str, registries: set[str]) -> list[str]:
    """Returns the findings in one file, each as `file:line: reason`."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        found += [f"{name}:{number}: names the registry `{host}`" for host in sorted(registries) if host in line]
        if path := PATHS.search(line):
            found.append(f"{name}:{number}: names a path of one machine, `{path.group()}`")
        if name.endswith("package-lock.json") and RESOLVED.search(line):
            found.append(
                f"{name}:{number}: names the address of a package; set `omit-lockfile-registry-resolved` in .npmrc"
            )
        if SETTINGS.search(name) and not line.lstrip().startswith("#") and ADDRESS.search(line):
            found.append(f"{name}:{number}: redirects a package client")
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
        found += findings(name, text, registries)
    for finding in found:
        print(finding, file=sys.stderr)
    print(f"committed files: {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent))
