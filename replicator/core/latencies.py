"""Sums up latencies: the last one, the median, and what 99 of 100 stay below."""

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

_KEPT: Final = 500


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Of the last five hundred; all None before the first."""

    last_s: float | None = None
    p50_s: float | None = None
    p99_s: float | None = None


class Latencies:
    """The last latencies of one kind."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_KEPT)

    def add(self, latency_s: float) -> None:
        """One more."""
        self._last.append(latency_s)

    def summary(self) -> Summary:
        """What they were."""
        if not self._last:
            return Summary()
        return Summary(last_s=self._last[-1], p50_s=quantile(self._last, 0.5), p99_s=quantile(self._last, 0.99))


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
