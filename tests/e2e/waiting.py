"""Waiting for a condition that nothing announces."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from chat import TIMEOUT

Value = TypeVar("Value")


def wait_until(condition: Callable[[], Value]) -> Value:
    """Calls `condition` until its result is true, and returns that result."""
    end = time.monotonic() + TIMEOUT
    while not (value := condition()):
        assert time.monotonic() < end, "timed out: the condition did not become true"
        time.sleep(0.01)
    return value
