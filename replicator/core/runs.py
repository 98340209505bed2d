"""Decides which sequences one run of a replica gives, and which it can never have given.

Every run begins with a leap of chance length. What lies within a leap that the index remembers was never given; who
has seen it has seen a run that the index does not know of: it was rolled back, or there are two clones of it. A run
that is forgotten leapt elsewhere, so it cannot be mistaken for another one, however far that has gone meanwhile.
"""

from typing import Final

import msgspec

from replicator.core.hybrid_clock import Clock

LEAP_BITS: Final = 40
"""How long a leap may be: too long for a run to give as many sequences, and short enough for millions of runs."""
_MAX_LEAPS: Final = 256


class Leap(msgspec.Struct, frozen=True, array_like=True):
    """Where a run began: the last sequence before it, and its first; those between were never given."""

    last: int
    first: int


Leaps = tuple[Leap, ...]
"""The beginnings of the latest runs, oldest first."""


def begun(clock: Clock, leaps: Leaps, length: int) -> tuple[Clock, Leaps]:
    """The clock and the leaps at the begin of a run, which leaps over `length` sequences."""
    leap = Leap(clock.sequence, clock.sequence + 1 + length)
    return Clock(clock.replica, leap.first, clock.stamp_ns), (*leaps, leap)[-_MAX_LEAPS:]


def was_given(sequence: int, clock: Clock, leaps: Leaps) -> bool:
    """Whether this replica can have given that sequence, as far as it remembers."""
    for leap in reversed(leaps):
        if sequence >= leap.first:
            break
        if sequence > leap.last:
            return False
    return sequence <= clock.sequence
