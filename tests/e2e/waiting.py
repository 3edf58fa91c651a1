"""Waiting for what nothing announces."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from chat import PATIENCE

Found = TypeVar("Found")


def wait_until(condition: Callable[[], Found]) -> Found:
    """Waits until `condition` answers something that holds, and returns that."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "what the test waits for did not happen"
        time.sleep(0.01)
    return found
