"""A published and active release of the chat, for a package that follows releases."""

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
# A difference between the release and the package that takes no time.
LIMIT, OTHER_LIMIT = 'time = "1s"', 'time = "2s"'


def publish(tidegate: Path, package: Path, folder: Path) -> Path:
    """Publishes and activates a release that differs from the package's, in a new folder, and returns its store.

    The package is changed to trust the release's key.
    """
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
    """Returns the chat's manifest with another limit, absolute component paths and no build commands."""
    text = CHAT.joinpath("tidegate.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("build = ", "watch = "))]
    absolute = re.sub(
        r'^(source = )"(.+)"$', lambda match: f'{match[1]}"{(CHAT / match[2]).resolve()}"', "\n".join(lines), flags=re.M
    )
    assert LIMIT in absolute
    return absolute.replace(LIMIT, OTHER_LIMIT)


def tables(keys: dict[str, dict]) -> str:
    """Formats keys as tables of the manifest."""
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
