"""Decides which paths must be looked at again, and when: marks from the watcher, bounded, ripe after a quiet moment."""

from typing import Final

import msgspec

from cluster.tree_path import parent

_MAX_PATHS: Final = 20_000


class Mark(msgspec.Struct, frozen=True):
    """When a path was last marked, and whether an event told that it was removed."""

    at_s: float
    deleted: bool = False


class Dirty(msgspec.Struct, frozen=True):
    """What must be looked at: paths, whole folders where there were too many paths, or everything."""

    paths: dict[str, Mark] = {}
    folders: frozenset[str] = frozenset()
    everything: bool = False


EVERYTHING_DIRTY: Final = Dirty(everything=True)


def collapsed(paths: dict[str, Mark], max_paths: int = _MAX_PATHS) -> Dirty:
    """The same marks in bounded space: paths become their folders, folders become everything."""
    if len(paths) <= max_paths:
        return Dirty(paths)
    folders = frozenset(parent(path) for path in paths)
    return Dirty(folders=folders) if len(folders) <= max_paths // 10 else EVERYTHING_DIRTY


def ripe(paths: dict[str, Mark], now_s: float, quiet_s: float) -> dict[str, Mark]:
    """The paths that nothing has been heard of for `quiet_s`."""
    return {path: mark for path, mark in paths.items() if now_s - mark.at_s >= quiet_s}
