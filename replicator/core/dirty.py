"""Decides which paths must be looked at again, and when: marks from the watcher, bounded, ripe after a quiet moment.

A path that is whole (its writer closed it, or it was moved into place) is ripe almost at once; what comes later is
simply another version. A path that somebody may still be writing, or that was removed and may come back, is not.
"""

import enum
from typing import Final

import msgspec

from cluster.tree_path import parent

_MAX_PATHS: Final = 20_000
SETTLE_S: Final = 0.005
"""How long a whole path rests: temporary names are moved away and times are set within it."""


class Told(enum.Enum):
    """What an event tells of a path."""

    BEGUN = enum.auto()  # it was created or modified: its writer may not be done
    WHOLE = enum.auto()  # its writer closed it, it was moved here, or it is a new directory
    ATTRIBUTES = enum.auto()  # its time or mode changed
    GONE = enum.auto()  # it was removed or moved away


class Mark(msgspec.Struct, frozen=True):
    """When a path was last marked, whether an event told that it was removed, and whether that it is whole."""

    at_s: float
    deleted: bool = False
    whole: bool = False


class Dirty(msgspec.Struct, frozen=True):
    """What must be looked at: paths, whole folders where there were too many paths, or everything."""

    paths: dict[str, Mark] = {}
    folders: frozenset[str] = frozenset()
    everything: bool = False


EVERYTHING_DIRTY: Final = Dirty(everything=True)


def marked(before: Mark | None, told: Told, now_s: float, *, lately_taken: bool) -> Mark:
    """The mark of a path after an event. `lately_taken`: it was just looked at, so it is one that changes often."""
    match told:
        case Told.GONE:
            return Mark(now_s, deleted=True)
        case Told.ATTRIBUTES if before is not None:
            return msgspec.structs.replace(before, at_s=now_s)
        case Told.BEGUN:
            return Mark(now_s)
        case _:
            return Mark(now_s, whole=not lately_taken)


def collapsed(paths: dict[str, Mark], max_paths: int = _MAX_PATHS) -> Dirty:
    """The same marks in bounded space: paths become their folders, folders become everything."""
    if len(paths) <= max_paths:
        return Dirty(paths)
    folders = frozenset(parent(path) for path in paths)
    return Dirty(folders=folders) if len(folders) <= max_paths // 10 else EVERYTHING_DIRTY


def ripe(paths: dict[str, Mark], now_s: float, quiet_s: float) -> dict[str, Mark]:
    """The paths that nothing has been heard of for `quiet_s`, or for a moment if they are whole."""
    return {
        path: mark
        for path, mark in paths.items()
        if now_s - mark.at_s >= (min(SETTLE_S, quiet_s) if mark.whole else quiet_s)
    }
