"""Keeps the accounts of this node to their bandwidth: a pace for each account and direction, over all its sessions.

Sessions over FTP ask on the event loop, those over SFTP in threads of their own. A lock and not a way through the loop,
because it is asked for every chunk, and held for the time of two additions.
"""

import threading
from typing import Literal

from cluster.settings import AccountLimits
from ftpnode.core.bandwidth import Pace

Direction = Literal["up", "down"]


class Paces:
    """How fast each account has moved bytes; moments are of a clock that never goes back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paces: dict[tuple[str, Direction], Pace] = {}

    def moved(self, account: str, direction: Direction, bytes_per_s: int, moved_bytes: int, now_s: float) -> float:
        """Count bytes that were moved; returns for how long the transfer has to pause, in seconds. From any thread."""
        key = (account, direction)
        with self._lock:  # two threads that read the same pace would move twice the rate
            pace = self._paces.get(key, Pace()).after(moved_bytes, bytes_per_s, now_s)
            self._paces[key] = pace
        return pace.pause_s(now_s)


def rate(limits: AccountLimits, direction: Direction) -> int | None:
    """The bytes per second an account may move, None for as many as can be."""
    return limits.upload_bytes_per_s if direction == "up" else limits.download_bytes_per_s
