"""Counts what a replicator did, minute by minute, for the last hour."""

from collections import deque
from typing import Final

from cluster.recent import LastHour

_MINUTES: Final = 60


class Activity:
    """The last hour. Used by the control thread alone."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[int, list[int]]] = deque(maxlen=_MINUTES)

    def made(self, size_bytes: int, now_s: float) -> None:
        """A change was made on this node."""
        counts = self._counts(now_s)
        counts[0] += 1
        counts[1] += size_bytes

    def arrived(self, size_bytes: int, now_s: float) -> None:
        """A change of another node came to this disk."""
        counts = self._counts(now_s)
        counts[2] += 1
        counts[3] += size_bytes

    def last_hour(self, now_s: float) -> LastHour:
        """The sums; `now_s` is a monotonic moment."""
        recent = [counts for minute, counts in self._minutes if minute > now_s // 60 - _MINUTES]
        made, made_bytes, arrived, arrived_bytes = (sum(each) for each in zip(*recent, [0] * 4, strict=True))
        return LastHour(made=made, made_bytes=made_bytes, arrived=arrived, arrived_bytes=arrived_bytes)

    def _counts(self, now_s: float) -> list[int]:
        minute = int(now_s // 60)
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append((minute, [0, 0, 0, 0]))
        return self._minutes[-1][1]
