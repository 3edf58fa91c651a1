"""Runs one attack, in a process of its own.

    python -m hostile.attacker NAME URL FOLDER TIDEGATE TALLY SECONDS SCALE

It runs at a lower priority than the server and the probe: the attackers of a real server have machines of their own.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import time
from pathlib import Path

from . import catalogue
from .attack import Target
from .tally import Tally
from .wire import Address

NICENESS = 10


def main(name: str, url: str, folder: str, tidegate: str, tally: str, seconds: str, scale: str) -> None:
    os.nice(NICENESS)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    attack = catalogue.attacks()[name]
    target = Target(
        address=Address.of(url), folder=Path(folder), tidegate=Path(tidegate), tally=Tally(Path(tally)),
        end=time.monotonic() + float(seconds), scale=float(scale),
    )
    gc.disable()
    asyncio.run(attack.run(target))


if __name__ == "__main__":
    main(*sys.argv[1:])
