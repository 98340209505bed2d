"""Waits for something other processes do: polls a condition until it holds or the deadline is over."""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from cluster.clock import monotonic_s

PATIENCE_S: Final = 60.0
"""Nothing that works takes as long, however busy the machine is; what has failed is told this late."""

Value = TypeVar("Value")


def until(condition: Callable[[], Value], what: str, timeout_s: float = PATIENCE_S, every_s: float = 0.05) -> Value:
    """The first true value of `condition`; AssertionError naming `what` after `timeout_s`."""
    deadline_s = monotonic_s() + timeout_s
    pause = threading.Event()
    while not (value := condition()):
        assert monotonic_s() < deadline_s, f"still not after {timeout_s} s: {what}"
        pause.wait(every_s)
    return value
