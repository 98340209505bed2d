"""Knows how much stands below a folder where no replicator keeps count: counted from the disk, then kept up.

What others than this publisher do to the tree is seen at the next counting, `RECOUNT_S` after the last at the latest.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from cluster.quota import NOTHING, Quota, Usage, overrun
from cluster.tree_path import RESERVED, is_below, on_disk

RECOUNT_S: Final = 60.0


class _Count(msgspec.Struct):
    used: Usage
    counted_s: float


class TreeUsage:
    """The counts of the folders that were asked for; from any thread. OSErrors pass."""

    def __init__(self, root: Path, monotonic_s: Callable[[], float]) -> None:
        self._root = root
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._counts: dict[str, _Count] = {}

    @property
    def is_asked_for(self) -> bool:
        """Whether anything is counted: until a first question, changes need not be told.

        What is being changed while that question is asked may be missed until the next counting.
        """
        return bool(self._counts)

    def below(self, home: str) -> Usage:
        """What stands below a folder, at any depth; nothing, when it is not there."""
        with self._lock:
            return self._below(home)

    def claim(self, quota: Quota | None, path: str, added: Usage) -> str | None:
        """Count a change that is about to be made; or why it does not fit in, and then nothing is counted."""
        with self._lock:
            if quota is not None and is_below(path, quota.home):
                wrong = overrun(quota, self._below(quota.home), added)
                if wrong:
                    return wrong
            self._change(path, added)
            return None

    def changed(self, path: str, added: Usage) -> None:
        """Something was made, removed or replaced at `path`."""
        with self._lock:
            self._change(path, added)

    def moved(self, source: str, target: str, replaced: Usage) -> None:
        """All at `source` is at `target` now, where `replaced` stood."""
        with self._lock:
            for home in list(self._counts):
                if is_below(source, home) != is_below(target, home):
                    del self._counts[home]
            self._change(target, -replaced)

    def _change(self, path: str, added: Usage) -> None:
        for home, count in self._counts.items():
            if is_below(path, home):
                count.used += added

    def _below(self, home: str) -> Usage:
        count = self._counts.get(home)
        if count is None or self._monotonic_s() - count.counted_s > RECOUNT_S:
            count = self._counts[home] = _Count(count_tree(self._root, home), self._monotonic_s())
        return count.used


def count_tree(root: Path, home: str) -> Usage:
    """The bytes of all files below a folder, and the files and directories; links and the like do not count."""
    used, folders = NOTHING, [on_disk(root, home)]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as found:
                items = [item for item in found if not (folder == root and item.name == RESERVED)]
        except (FileNotFoundError, NotADirectoryError):
            continue
        for item in items:
            if item.is_dir(follow_symlinks=False):
                folders.append(Path(item.path))
                used += Usage(0, 1)
            elif item.is_file(follow_symlinks=False):
                used += Usage(_size_bytes(item), 1)
    return used


def _size_bytes(item: "os.DirEntry[str]") -> int:
    try:
        return item.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
