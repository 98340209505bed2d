"""Waits for something other processes do: polls a condition until it holds or the deadline is over."""

import threading
from collections.abc import Callable
from typing import TypeVar

from cluster.clock import monotonic_s

Value = TypeVar("Value")


def until(condition: Callable[[], Value], what: str, timeout_s: float = 20.0, every_s: float = 0.05) -> Value:
    """The first true value of `condition`; AssertionError naming `what` after `timeout_s`."""
    deadline_s = monotonic_s() + timeout_s
    pause = threading.Event()
    while not (value := condition()):
        assert monotonic_s() < deadline_s, f"still not after {timeout_s} s: {what}"
        pause.wait(every_s)
    return value
