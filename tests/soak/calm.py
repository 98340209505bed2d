"""Lets many faults happen at once, or none: whoever needs a calm waits until every fault is over."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Calm:
    """Shared by all that make faults."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._faults = 0
        self._calms = 0

    @contextmanager
    def fault(self) -> Iterator[None]:
        """A fault is made within, and is over at the end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._calms)
            self._faults += 1
        try:
            yield
        finally:
            with self._changed:
                self._faults -= 1
                self._changed.notify_all()

    @contextmanager
    def calm(self) -> Iterator[None]:
        """No fault is made within, but one's own."""
        with self._changed:
            self._calms += 1
            self._changed.wait_for(lambda: not self._faults)
        try:
            yield
        finally:
            with self._changed:
                self._calms -= 1
                self._changed.notify_all()
