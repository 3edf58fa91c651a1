"""A release of the chat that is published and active, for a package of it that follows releases."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

from servers import HERE

CHAT = HERE.parents[1] / "guest" / "examples" / "chat"
# The stage of the functions.
STAGE = "bench"
COMMAND_SECONDS = 600
# What the release has otherwise than the package: nothing that takes time.
LIMIT, OTHER_LIMIT = 'time = "1s"', 'time = "2s"'


def publish(tidegate: Path, package: Path, folder: Path) -> Path:
    """Publishes and activates a release that differs from the package's, and returns where; it is made in a new folder.
    The package trusts who signed it."""
    folder.mkdir()
    key, store = folder / "bench.pem", folder / "releases"
    table = run(tidegate, "keys", "new", "bench", "--output", key)
    keys = tomllib.loads(table)["keys"]
    keys["bench"]["stages"] = [STAGE]
    package.joinpath("trusted-keys.json").write_text(json.dumps(keys))
    folder.joinpath("tidegate.toml").write_text(f"{manifest()}\n{tables(keys)}")
    release = run(tidegate, "release", "create", folder, "--store", store, "--key", key).split()[-1]
    run(tidegate, "release", "activate", release, "--app", folder, "--store", store, "--trust", STAGE)
    return store


def manifest() -> str:
    """The chat's manifest with another limit, for a folder from where the components are elsewhere, and are built."""
    text = CHAT.joinpath("tidegate.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("build = ", "watch = "))]
    found = re.sub(r'^(source = )"(.+)"$', lambda it: f'{it[1]}"{(CHAT / it[2]).resolve()}"', "\n".join(lines), flags=re.M)
    assert LIMIT in found
    return found.replace(LIMIT, OTHER_LIMIT)


def tables(keys: dict[str, dict]) -> str:
    """Keys as the manifest has them."""
    return "\n".join(
        f"[keys.{name}]\npublic-key = {json.dumps(key['public-key'])}\nstages = {json.dumps(key['stages'])}"
        for name, key in keys.items()
    )


def run(program: Path, *arguments: str | Path) -> str:
    done = subprocess.run(
        [program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS
    )
    if done.returncode:
        raise SystemExit(f"`{arguments[0]} {arguments[1]}` failed: {done.stderr.strip()}")
    return done.stdout
