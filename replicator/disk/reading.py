"""Reads many small files of the tree at once, with one sync of their file system in place of an fsync for each."""

import os

import msgspec

from cluster.content_id import content_id_of_file
from cluster.durable_file import sync_file_system
from cluster.tree_path import on_disk
from replicator.core.head import Kind
from replicator.disk.lanes import attempt
from replicator.disk.tree import Sighting, Tree, UnstableError


def read_together(tree: Tree, paths: list[str]) -> list[Sighting | Exception | None]:
    """As Tree.read of each: what stands there, bytes and name durable, or what went wrong. Blocks."""
    before = [attempt(tree.look, path) for path in paths]
    sync_file_system(tree.root)

    def read(pair: tuple[str, Sighting | Exception | None]) -> Sighting | None:
        path, seen = pair
        if isinstance(seen, Exception):
            raise seen
        return _read(tree, path, seen)

    return [attempt(read, pair) for pair in zip(paths, before, strict=True)]


def _read(tree: Tree, path: str, before: Sighting | None) -> Sighting | None:
    if before is None or before.row.kind is Kind.DIRECTORY:
        return before
    try:
        with os.fdopen(tree.open(on_disk(tree.root, path)), "rb", buffering=0) as file:
            content_id = content_id_of_file(file)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise UnstableError(path) from error
    after = tree.look(path)
    if after is None or not after.row.same_file(before.row):
        raise UnstableError(path)
    return Sighting(msgspec.structs.replace(after.row, content_id=content_id), after.mode)
