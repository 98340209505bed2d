"""Content that this node has already, wherever it lies: what is here is never sent.

What was renamed or copied past the replicator comes as a removal and a new path of the same content, in any order.
So a file that is to be removed gives its content to another path without a copy, and one that was removed is spared
for a while, in staging.
"""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cluster.tree_path import CONFLICTS, VERSIONS, on_disk
from replicator.core.head import Kind, seen_by
from replicator.core.place import Applied, Clear, Row, plan
from replicator.disk.blocking import Blocking
from replicator.disk.conflict_store import ConflictStore
from replicator.disk.path_locks import PathLocks
from replicator.disk.staging import Held, Staging
from replicator.disk.tree import Tree, UnstableError, is_as_recorded
from replicator.disk.versions import Versions
from replicator.index.index import Index

_NO_SPACE: Final = {errno.ENOSPC, errno.EDQUOT}


class Sources:
    """The content on one replica's disk. Used by the control thread alone."""

    def __init__(
        self,
        index: Index,
        tree: Tree,
        staging: Staging,
        conflicts: ConflictStore,
        versions: Versions,
        locks: PathLocks,
        blocking: Blocking,
    ) -> None:
        self._index = index
        self._tree = tree
        self._staging = staging
        self._conflicts = conflicts
        self._versions = versions
        self._locks = locks
        self._blocking = blocking

    def known(self, content_id: str) -> Iterator[tuple[str, Row | None]]:
        """Files that should have that content, by their paths from the root; a file of the tree with its row.

        Nobody has looked at them.
        """
        for path in tuple(self._index.by_content.get(content_id, ())):
            row = self._index.place(path).row
            if row and row.kind is Kind.FILE:
                yield path, row
        yield from ((f"{CONFLICTS}/{file.name}", None) for file in self._conflicts.files(content_id))
        if (version := self._versions.file(content_id)) is not None:
            yield f"{VERSIONS}/{version.name}", None
        # Canaries are offered from a folder of their own.
        yield from ((file.relative_to(self._tree.root).as_posix(), None) for file in self._staging.files(content_id))

    def files(self, content_id: str) -> Iterator[Path]:
        """Files that should have that content: who reads one must look whether it is so."""
        for path, row in self.known(content_id):
            with contextlib.suppress(OSError):
                if row is None or is_as_recorded(self._tree.look(path), row):
                    yield on_disk(self._tree.root, path)

    def open(self, content_id: str) -> int | None:
        """A descriptor of the first of these files that can be read; None when none can."""
        for source in self.files(content_id):
            with contextlib.suppress(OSError):
                return self._tree.open(source)
        return None

    async def take(self, content_id: str) -> Held | None:
        """A staged file with that content, that belongs to the caller: moved, or copied; None when it is not here."""
        held = self._staging.take(content_id) or await self._move(content_id)
        if held is not None:
            if held.spared and (await self._blocking(held.file.lstat)).st_nlink > 1:
                await self._versions.give_up(content_id)  # it was renamed, and is no version of its old path
            return held
        for source in self.files(content_id):
            staged = self._staging.new_file(content_id)
            try:
                found = await self._blocking(self._tree.copy, source, staged)
            except OSError as error:
                staged.unlink(missing_ok=True)
                if error.errno in _NO_SPACE:
                    raise
                continue
            if found == content_id:
                return Held(content_id, staged)
            staged.unlink()
        return None

    async def spare(self, path: str, known: Row, kept: Path | None = None) -> None:
        """Remove a file, the lock of whose path the caller holds, but keep its content for a while in staging.

        And as the version `kept` for longer.
        """
        held = Held(known.content_id, self._staging.new_file(known.content_id), spared=True)
        if await self._blocking(self._tree.take_out, path, held.file, known, kept):
            self._staging.add(held)

    async def _move(self, content_id: str) -> Held | None:
        """The file of a path that is to be removed anyway."""
        for path in tuple(self._index.by_content.get(content_id, ())):
            if not isinstance(plan(self._index.place(path)), Clear):
                continue
            with contextlib.suppress(OSError, UnstableError):  # it may be what another path needs: it is copied then
                async with self._locks.of(path):
                    place = self._index.place(path)
                    doomed = isinstance(plan(place), Clear) and place.row is not None
                    if doomed and place.row is not None and place.row.content_id == content_id:
                        await self.spare(path, place.row)
                        self._index.feed(path, Applied(row=None, seen=seen_by(place.heads)))
                if (held := self._staging.take(content_id)) is not None:
                    return held
        return self._staging.take(content_id)
