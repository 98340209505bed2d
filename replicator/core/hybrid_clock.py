"""Decides the stamp and the sequence of the next change: a hybrid logical clock that never goes back.

A stamp is wall time in nanoseconds, or one more than the highest stamp seen where the wall clock lags; so a change
ranks above everything its maker had seen, whatever the clocks of the nodes say within the allowed drift.
"""

from typing import Final

import msgspec

MAX_DRIFT_NS: Final = 300 * 10**9
"""How far ahead of our clock a peer's stamp may be: beyond it is refused, or one wild clock would win for ever."""


class Clock(msgspec.Struct, frozen=True):
    """Where one replica stands: its last sequence and the highest stamp it has given or seen."""

    replica: str
    sequence: int = 0
    stamp_ns: int = 0


def announced(clock: Clock) -> Clock:
    """The clock after giving out one more sequence."""
    return Clock(clock.replica, clock.sequence + 1, clock.stamp_ns)


def ticked(clock: Clock, now_ns: int) -> Clock:
    """The clock at the next local change."""
    return Clock(clock.replica, clock.sequence + 1, max(now_ns, clock.stamp_ns + 1))


def corrected(clock: Clock, now_ns: int) -> Clock:
    """The clock without stamps that no peer would believe: the wall clock had run far ahead, and is right again."""
    return Clock(clock.replica, clock.sequence, now_ns) if drift_ns(clock.stamp_ns, now_ns) else clock


def heard(clock: Clock, stamp_ns: int) -> Clock:
    """The clock after a peer's stamp."""
    return Clock(clock.replica, clock.sequence, max(clock.stamp_ns, stamp_ns))


def drift_ns(stamp_ns: int, now_ns: int) -> int:
    """How far beyond the allowed drift a stamp lies; 0 when it may be believed."""
    return max(0, stamp_ns - now_ns - MAX_DRIFT_NS)
