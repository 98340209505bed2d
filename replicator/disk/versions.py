"""Keeps content that somebody replaced or deleted for some days, within a quota, under ROOT/.tripod/versions.

Kept is a second name of the same file, so that it costs no copying. Each node keeps what it replaces or removes itself,
whoever asked for it; what a program past the cluster overwrites on one disk is kept on the others.
"""

import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from cluster.clock import now_ns
from cluster.durable_file import sync_folder
from cluster.log import logger
from cluster.replication_settings import Replication
from replicator.core.head import Kind
from replicator.core.kept_versions import Version, must_go
from replicator.core.place import Found, Place, Row
from replicator.disk.blocking import Blocking
from replicator.disk.path_locks import PathLocks
from replicator.disk.second_names import expect_second_name, unlink_second_name
from replicator.disk.tree import Tree, UnstableError
from replicator.index.index import Index

_AT_ONCE: Final = 500

log = logger(__name__)


class Versions:
    """The versions that one replica keeps. Used by the control thread alone."""

    def __init__(self, index: Index, tree: Tree, locks: PathLocks, blocking: Blocking, limits: Replication) -> None:
        self._index = index
        self._tree = tree
        self._locks = locks
        self._blocking = blocking
        self._limits = limits
        self._holders: dict[str, set[str]] = {}
        self._bytes = 0
        for version in index.versions.values():
            self._count(version)

    async def keep(self, path: str, place: Place, successor: str = "") -> Row | None:
        """Keep what stands under `path` before content `successor` replaces it, or it is removed; the row it has then.

        UnstableError when something else stands there. A disk that will not keep it does not hold up the change.
        """
        kept = await self.note(path, place, successor)
        if kept is None or place.row is None:
            return place.row
        try:
            row = await self._blocking(self._tree.keep, path, kept, place.row)
        except UnstableError:
            self._drop(self._index.versions[path, kept.name])
            raise
        except OSError as error:
            self._drop(self._index.versions[path, kept.name])
            log.warning("a version is not kept", path=path, why=str(error))
            return self._index.place(path).row
        self._index.feed(path, Found(row=row, now_ns=now_ns()))
        return row

    async def note(self, path: str, place: Place, successor: str = "") -> Path | None:
        """List what stands under `path` as a version; the name that its file must get, None when it is not kept."""
        row = place.row
        if not self._limits.versions_days or row is None or row.kind is not Kind.FILE:
            return None
        if row.content_id in {"", successor}:  # rotten, or the same
            return None
        stamps = (head.stamp_ns for head in place.heads if head.content_id == row.content_id)
        version = Version(
            path=path, content_id=row.content_id, size_bytes=row.size_bytes, mtime_ns=row.mtime_ns,
            made_ns=max(stamps, default=0), gone_ns=now_ns(), deleted=not successor,
        )  # fmt: skip
        self._note(version)
        await expect_second_name(self._index, path, row)
        return self._tree.versions / row.content_id

    async def give_up(self, content_id: str) -> None:
        """The file of this version, if it is of one path alone, becomes that of another; it is in staging still."""
        holders = self._holders.get(content_id, set())
        if len(holders) == 1:
            self._drop(self._index.versions[next(iter(holders)), content_id])
            await self._blocking(_unlink, self._tree.versions / content_id)

    def file(self, content_id: str) -> Path | None:
        """The file that has this content, where it is kept."""
        return self._tree.versions / content_id if content_id in self._holders else None

    def of(self, path: str) -> tuple[Version, ...]:
        """The versions of a path, newest first."""
        found = (version for version in self._index.versions.values() if version.path == path)
        return tuple(sorted(found, key=lambda version: version.gone_ns, reverse=True))

    async def limit(self, *, short_of_space: bool) -> None:
        """Let the oldest go that must, all in time where the disk is short of space."""
        for version in list(itertools.islice(self._index.versions.values(), _AT_ONCE)):
            count = len(self._index.versions)
            if not short_of_space and not must_go(version, count, self._bytes, self._limits, now_ns()):
                return
            self._drop(version)
            if version.content_id not in self._holders:
                await self._remove(version.content_id)

    async def sweep(self, staged: Callable[[str], Iterable[Path]]) -> None:
        """Remove what an earlier run left unlisted, and list no more what is not there, nor in a `staged` file."""
        there = await self._blocking(_names, self._tree.versions)
        for name in there - self._holders.keys():
            await self._remove(name)
        for content_id in list(self._holders.keys() - there):
            for file in staged(content_id):
                await self._blocking(_link, file, self._tree.versions / content_id)
                there.add(content_id)
                break
        for version in [one for one in self._index.versions.values() if one.content_id not in there]:
            self._drop(version)

    async def _remove(self, content_id: str) -> None:
        await unlink_second_name(self._tree.versions / content_id, self._index, self._locks, self._blocking)

    def _note(self, version: Version) -> None:
        before = self._index.versions.get((version.path, version.content_id))
        if before is not None:
            self._drop(before)  # the order in the index is that of their ages
        self._index.note_version(version)
        self._count(version)

    def _count(self, version: Version) -> None:
        holders = self._holders.setdefault(version.content_id, set())
        self._bytes += 0 if holders else version.size_bytes
        holders.add(version.path)

    def _drop(self, version: Version) -> None:
        self._index.drop_version(version)
        holders = self._holders[version.content_id]
        holders.discard(version.path)
        if not holders:
            del self._holders[version.content_id]
            self._bytes -= version.size_bytes


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def _link(file: Path, name: Path) -> None:
    os.link(file, name, follow_symlinks=False)
    sync_folder(name.parent)


def _unlink(file: Path) -> None:
    file.unlink(missing_ok=True)
