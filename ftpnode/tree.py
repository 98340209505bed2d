"""Reads the tree on this node's disk for clients: regular files and directories only.

Every name is opened relative to its folder's descriptor (`folders`) and never through a symbolic link, so no link, not
even one swapped in meanwhile, leads out of the root. Links, FIFOs, devices and sockets are not there for clients.
Blocks on the disk: call it from a worker thread. Every OSError passes through with its errno.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from cluster import folders
from cluster.tree_path import is_tree_path
from ftpnode.core.listing import Entry


class TooManyEntriesError(Exception):
    """A directory has more entries than may be listed."""


class Tree:
    """The tree below one root folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def entry(self, path: str) -> Entry:
        """What stands at a tree path ("" is the root); FileNotFoundError when nothing does that clients may see."""
        if not path:
            return _entry("", self._root.stat())
        with folders.parent_of(self._root, path) as (folder, name):
            found = folders.look(name, folder)
        if not _is_visible(found):
            raise FileNotFoundError(errno.ENOENT, "neither a file nor a directory")
        return _entry(name, found)

    def names(self, path: str, most: int) -> list[str]:
        """The sorted names in a directory that a client could write; TooManyEntriesError above `most`."""
        with folders.opened(self._root, path) as folder, os.scandir(folder) as found:
            names = [item.name for item in islice(found, most + 1)]
        if len(names) > most:
            raise TooManyEntriesError(f"more than {most} entries in {path or '/'}")
        return sorted(name for name in names if is_tree_path(f"{path}/{name}" if path else name))

    def entries(self, path: str, names: Sequence[str]) -> list[Entry]:
        """What clients may see of these names in the directory at a tree path, in their order."""
        with folders.opened(self._root, path) as folder:
            return [entry for name in names for entry in self._visible(folder, name)]

    def spelling(self, home: str, view: str) -> str:
        """`view` (below the tree path `home`), each name as the disk has it: as written, else in the same letters.

        Where several differ by case alone, the first in order is meant. Names that are not there stay as written.
        """
        found = ""
        names = view.split("/")[1:]
        for number, name in enumerate(names):
            spelled = self._spelled(f"{home}{found}".strip("/"), name)
            if spelled is None:
                return "/".join((found, *names[number:]))
            found = f"{found}/{spelled}"
        return found

    def _spelled(self, folder_path: str, name: str) -> str | None:
        try:
            with folders.opened(self._root, folder_path) as folder, os.scandir(folder) as found:
                names = [item.name for item in found if item.name.casefold() == name.casefold()]
        except (FileNotFoundError, NotADirectoryError):
            return None
        return name if name in names else min(names, default=None)

    def check_parent(self, path: str) -> None:
        """Raise the OSError that stands in the way of an entry at `path`: its folder is missing, or behind a link."""
        with folders.parent_of(self._root, path):
            pass

    def open_file(self, path: str) -> BinaryIO:
        """The regular file at a tree path, open for reading; IsADirectoryError for a directory."""
        with folders.parent_of(self._root, path) as (folder, name):
            try:
                fd = folders.open_file(name, folder)
            except folders.OddEntryError as error:
                raise FileNotFoundError(errno.ENOENT, "not a regular file") from error
        return os.fdopen(fd, "rb", buffering=0)

    def _visible(self, folder: int, name: str) -> Iterator[Entry]:
        with contextlib.suppress(FileNotFoundError):  # gone since it was listed
            found = folders.look(name, folder)
            if _is_visible(found):
                yield _entry(name, found)


def _is_visible(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)


def _entry(name: str, found: os.stat_result) -> Entry:
    is_directory = stat.S_ISDIR(found.st_mode)
    return Entry(name, is_directory, 0 if is_directory else found.st_size, found.st_mtime)
