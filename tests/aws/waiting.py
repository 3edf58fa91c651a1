"""Waiting for what nothing announces."""

import time
from collections.abc import Callable

from chat import PATIENCE


def wait_until(holds: Callable[[], bool]) -> None:
    """Waits until `holds` does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)
