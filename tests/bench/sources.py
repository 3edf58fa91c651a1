"""A copy of the repository's committed files, so that measurements neither use nor change its build folders."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

from servers import HERE

REPOSITORY = HERE.parents[1]
# Folder of the app that is measured, in the repository.
CHAT = Path("guest") / "examples" / "chat"


def export(folder: Path) -> Path:
    """Writes the files of the current commit to a new folder, and returns the folder."""
    folder.mkdir(parents=True)
    archive = ["git", "archive", "--format=tar", "HEAD"]
    with subprocess.Popen(archive, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout
        with tarfile.open(fileobj=process.stdout, mode="r|") as files:
            files.extractall(folder, filter="data")
    if process.returncode:
        raise SystemExit(f"`git archive` failed with status {process.returncode}")
    return folder


def environment(**changes: str) -> dict[str, str]:
    """Returns this environment with changes, and without a target folder that would redirect the guests' builds."""
    return {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"} | changes
