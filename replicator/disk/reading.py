"""Reads many small files of the tree at once, and makes them durable together. All functions block."""

import os
from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from cluster.content_id import content_id_of
from cluster.durable_file import begin_writing, sync_file_system
from cluster.folders import OpenFolders
from cluster.tree_path import parent
from replicator.core.head import Kind
from replicator.core.place import Row
from replicator.disk.calm import is_calm
from replicator.disk.lanes import attempt
from replicator.disk.tree import Sighting, Tree, UnstableError

SMALL_BYTES: Final = 256 << 10
"""No larger file is read here: it is an UnstableError, for it was smaller when it was chosen."""

_LITTLE_BYTES: Final = 16 << 20

Rows = Mapping[str, Row | None]
"""What the index knows of some paths."""
Found = list[Sighting | Exception | None]
"""What stands at each of them, or what went wrong; what is as its row says has not been read, and has no content id."""


def read_together(tree: Tree, rows: Rows) -> Found:
    """As Tree.read of each, bytes and name durable; one sync of the file system.

    That waits for what others have written too: not for what somebody waits for.
    """
    seen = _look_at(tree, rows)
    if any(_is_news(each, rows[path]) for path, each in seen.items()):
        sync_file_system(tree.root)
    return _read_all(tree, rows, seen, sync=False)


def read_each(tree: Tree, rows: Rows) -> Found:
    """As `read_together`, with an fsync of each file and of each folder.

    All files are on their way to the disk before the first is waited for, so that the disk can take them together.
    """
    seen = _look_at(tree, rows)
    with OpenFolders(tree.root) as folders:
        for path, each in seen.items():
            if _is_news(each, rows[path]):
                attempt(partial(_begin, tree, folders), path)  # a hint: what is wrong is found when it is read
    found = _read_all(tree, rows, seen, sync=True)
    one_of = {parent(path): path for path in rows}
    named = {folder: attempt(tree.make_name_durable, path) for folder, path in one_of.items()}
    return [named[parent(path)] or each for path, each in zip(rows, found, strict=True)]


def read_soon(tree: Tree, rows: Rows) -> Found:
    """As `read_together` while little waits for the disk: it costs a tenth. Else as `read_each`."""
    return (read_together if is_calm(_LITTLE_BYTES) else read_each)(tree, rows)


def _look_at(tree: Tree, rows: Rows) -> dict[str, Sighting | Exception | None]:
    with OpenFolders(tree.root) as folders:
        return {path: attempt(partial(tree.look_in, folders), path) for path in rows}


def _is_news(seen: Sighting | Exception | None, row: Row | None) -> bool:
    """Whether it is a file that must be read."""
    return isinstance(seen, Sighting) and seen.row.kind is Kind.FILE and not seen.row.same_file(row)


def _begin(tree: Tree, folders: OpenFolders, path: str) -> None:
    fd = tree.open_in(folders, path)
    try:
        begin_writing(fd)
    finally:
        os.close(fd)


def _read_all(tree: Tree, rows: Rows, seen: Mapping[str, Sighting | Exception | None], *, sync: bool) -> Found:
    """In folders that were opened after the looks: one that was swapped meanwhile has other files."""
    with OpenFolders(tree.root) as folders:
        return [
            attempt(partial(_read, tree, folders, path, sync=sync), each)
            if isinstance(each, Sighting) and _is_news(each, rows[path])
            else each
            for path, each in seen.items()
        ]


def _read(tree: Tree, folders: OpenFolders, path: str, before: Sighting, *, sync: bool) -> Sighting:
    size_bytes = before.row.size_bytes
    if size_bytes > SMALL_BYTES:
        raise UnstableError(path)
    try:
        fd = tree.open_in(folders, path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise UnstableError(path) from error
    try:
        data = os.pread(fd, size_bytes + 1, 0)
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)
    after = tree.look_in(folders, path)
    if len(data) != size_bytes or after is None or not after.row.same_file(before.row):
        raise UnstableError(path)
    return Sighting(msgspec.structs.replace(after.row, content_id=content_id_of(data)), after.mode)
