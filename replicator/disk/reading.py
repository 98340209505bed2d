"""Reads many small files of the tree at once, and makes them durable together. All functions block."""

import os
from functools import partial

import msgspec

from cluster.content_id import content_id_of_file
from cluster.durable_file import begin_writing, sync_file_system
from cluster.tree_path import on_disk, parent
from replicator.core.head import Kind
from replicator.disk.lanes import attempt
from replicator.disk.tree import Sighting, Tree, UnstableError


def read_together(tree: Tree, paths: list[str]) -> list[Sighting | Exception | None]:
    """As Tree.read of each: what stands there, bytes and name durable, or what went wrong; one sync of the file system.

    That waits for what others have written too: not for what somebody waits for.
    """
    before = [attempt(tree.look, path) for path in paths]
    sync_file_system(tree.root)
    return [attempt(partial(_read, tree, path), seen) for path, seen in zip(paths, before, strict=True)]


def read_each(tree: Tree, paths: list[str]) -> list[Sighting | Exception | None]:
    """As `read_together`, with an fsync of each file and of each folder.

    All files are on their way to the disk before the first is waited for, so that the disk can take them together.
    """
    before = [attempt(tree.look, path) for path in paths]
    for path in paths:
        attempt(partial(_begin, tree), path)  # a hint: what is wrong with the file is found when it is read
    found = [attempt(partial(_read, tree, path, sync=True), seen) for path, seen in zip(paths, before, strict=True)]
    one_of = {parent(path): path for path in paths}
    named = {folder: attempt(tree.make_name_durable, path) for folder, path in one_of.items()}
    return [named[parent(path)] or seen for path, seen in zip(paths, found, strict=True)]


def _begin(tree: Tree, path: str) -> None:
    fd = tree.open(on_disk(tree.root, path))
    try:
        begin_writing(fd)
    finally:
        os.close(fd)


def _read(tree: Tree, path: str, before: Sighting | Exception | None, *, sync: bool = False) -> Sighting | None:
    if isinstance(before, Exception):
        raise before
    if before is None or before.row.kind is Kind.DIRECTORY:
        return before
    try:
        with os.fdopen(tree.open(on_disk(tree.root, path)), "rb", buffering=0) as file:
            content_id = content_id_of_file(file)
            if sync:
                os.fsync(file.fileno())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise UnstableError(path) from error
    after = tree.look(path)
    if after is None or not after.row.same_file(before.row):
        raise UnstableError(path)
    return Sighting(msgspec.structs.replace(after.row, content_id=content_id), after.mode)
