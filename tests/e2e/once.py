"""Work that is done once in a test run, although each worker of pytest-xdist is a process of its own."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Shared:
    """A folder that all workers of a test run have in common."""

    folder: Path

    def once(self, name: str, work: Callable[[Path], Any]) -> tuple[Path, Any]:
        """Calls `work` with a new folder in the first worker that needs it; the others wait until it has ended.

        Returns the folder and the result, which must be JSON. If `work` fails, the next worker tries again.
        """
        folder = self.folder / f"once-{name}"
        result = self.folder / f"once-{name}.json"
        with (self.folder / f"once-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not result.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                result.write_text(json.dumps(work(folder)))
        return folder, json.loads(result.read_text())
