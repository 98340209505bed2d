"""Decides who may hold a tombstone back, and whose index has missed one that was forgotten: it must join as new."""

from collections.abc import Iterable

import msgspec


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A peer of the cluster file: our sequence up to which it holds everything, and how long it was not there.

    `silent_s` counts the time in which this node ran and could not reach it; so a clock that jumps expels nobody.
    """

    name: str
    acked: int
    silent_s: float


def forgettable(members: Iterable[Member], patience_s: float, upto: int) -> int:
    """Up to which of our sequences (`upto` at most) everybody whom we wait for holds everything."""
    return min((member.acked for member in members if member.silent_s < patience_s), default=upto)


class Acquaintance(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a peer whose index may be too old: its last incarnation (empty: none), and when it was expelled.

    It was expelled (wall clock, 0: never) when a tombstone was forgotten that it did not have.
    """

    incarnation: str
    expelled_ns: int


def is_stale(known: Acquaintance, incarnation: str, joined_ns: int) -> bool:
    """Whether this index of a peer may not know of what was deleted, nor anybody tell it: it would bring it back.

    `joined_ns` is when that index joined, 0 while it joins: it has then nothing to bring back but what its disk has.
    """
    if not known.expelled_ns or joined_ns == 0:
        return False
    return incarnation == known.incarnation or (not known.incarnation and joined_ns < known.expelled_ns)
