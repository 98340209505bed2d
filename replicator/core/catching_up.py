"""Decides whether this node may still lack news: what it does not know of then, another node may well have."""

from collections.abc import Iterable

import msgspec


class Teller(msgspec.Struct, frozen=True, kw_only=True):
    """A peer as a source of news: reachable since a monotonic moment (None: not now), and whether it told everything.

    A peer tells its whole index anew, or that there is nothing new, whenever it connects.
    """

    name: str
    connected_s: float | None
    told_all: bool


def still_to_hear(tellers: Iterable[Teller], started_s: float, now_s: float, patience_s: float) -> tuple[str, ...]:
    """The peers whose news are worth waiting for: for `patience_s` after the start, or after they could be reached."""
    return tuple(
        teller.name
        for teller in tellers
        if not teller.told_all and now_s - max(started_s, teller.connected_s or started_s) < patience_s
    )
