"""Looks at every visible file of a cluster, again and again: each must be whole at every moment."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from cluster.tree_path import RESERVED
from tests.kit.record import Record
from tests.kit.self_telling import is_whole

_EVERY_S = 0.3


class Watcher(threading.Thread):
    """Looks until `stop` is called; each version of a file is read once."""

    def __init__(self, roots: list[Path], record: Record) -> None:
        super().__init__(name="watcher")
        self._roots = roots
        self._record = record
        self._over = threading.Event()
        self._seen: set[tuple[str, int, int]] = set()

    def stop(self) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.look()

    def look(self) -> None:
        for root in self._roots:
            for file in visible_files(root):
                self._look_at(file)

    def _look_at(self, file: os.DirEntry[str]) -> None:
        try:
            status = file.stat(follow_symlinks=False)
            version = (file.path, status.st_ino, status.st_ctime_ns)
            if version in self._seen:
                return
            content = Path(file.path).read_bytes()
        except FileNotFoundError:
            return
        self._seen.add(version)
        self._record.count("looks at visible files")
        if not is_whole(content):
            self._record.find(f"{file.path} was visible with {len(content)} bytes, not whole")


def visible_files(folder: Path | str, top: bool = True) -> Iterator[os.DirEntry[str]]:
    """Every file below `folder`, but for what Tripod itself keeps at the top."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not (top and entry.name == RESERVED):
                    yield from visible_files(entry.path, top=False)
            else:
                yield entry
