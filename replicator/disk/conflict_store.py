"""Keeps content that lost on a path, on every node that has it, within a quota."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from cluster.clock import now_ns
from cluster.durable_file import replace_durably, sync_folder
from cluster.log import logger
from replicator.core.head import Head, losers
from replicator.core.place import Found, Place, Row
from replicator.disk.blocking import Blocking
from replicator.disk.path_locks import PathLocks
from replicator.disk.second_names import content_of, expect_second_name, losing_its_name, unlink_second_name
from replicator.disk.staging import Held, Staging
from replicator.disk.tree import Tree
from replicator.index.index import Conflict, Index

_MAX_KEPT_NAME_BYTES: Final = 120

log = logger(__name__)


class ConflictStore:
    """The conflict store of one replica. Used by the control thread alone."""

    def __init__(self, index: Index, tree: Tree, staging: Staging, locks: PathLocks, blocking: Blocking) -> None:
        self._index = index
        self._tree = tree
        self._staging = staging
        self._locks = locks
        self._blocking = blocking
        self._leftovers: dict[str, set[str]] = {}  # by content id, the names that no index listed at the start

    def files(self, content_id: str) -> Iterator[Path]:
        """The files here that should have that content, listed or not."""
        listed = [one.kept for one in self._index.conflicts.values() if one.content_id == content_id and one.kept]
        for name in dict.fromkeys([*listed, *sorted(self._leftovers.get(content_id, ()))]):
            yield self._tree.conflicts / name

    async def limit(self, limit_bytes: int) -> None:
        """Keep the conflict store within its quota: the oldest content goes first, and the log says so."""
        for conflict in over_quota(tuple(self._index.conflicts.values()), limit_bytes):
            log.warning("conflict store full: content dropped", path=conflict.path, content_id=conflict.content_id)
            self._index.drop_conflict(conflict)
            await self._remove(conflict.kept)

    async def sweep(self) -> None:
        """List what has lost and was not listed before a kill came, in the store or not.

        What stands in the store and has lost nowhere any more goes if this node has its content elsewhere. The rest
        stays, for it may have been listed in an index that was lost: it is listed when it is heard of as a loser, and
        whoever misses that content gets it from here.
        """
        listed = {conflict.kept for conflict in self._index.conflicts.values()}
        for name in await self._blocking(_names, self._tree.conflicts) - listed:
            self._leftovers.setdefault(content_of(name), set()).add(name)
        for path in sorted(path for path in self._index.contested if not self._index.excludes(path)):
            await self.keep_losers(path)
        await self._index.durable()
        versions = {content_id for _, content_id in self._index.versions}
        listed = {conflict.kept for conflict in self._index.conflicts.values()}
        for content_id, names in self._leftovers.items():
            if content_id in versions or any(self._index.by_content.get(content_id)):
                for name in sorted(names - listed):
                    await self._unlink(name)

    async def discard(self, conflict: Conflict) -> None:
        """Give up content that lost, and list it no more; the same content may lose anew, and is kept then."""
        log.warning("conflict discarded", path=conflict.path, content_id=conflict.content_id)
        self._index.note_conflict(msgspec.structs.replace(conflict, kept="", discarded=True))
        await self._index.durable()
        await self._remove(conflict.kept)

    async def _remove(self, kept: str) -> None:
        """Two paths may keep the same content under one name."""
        if kept and not any(other.kept == kept for other in self._index.conflicts.values()):
            await self._unlink(kept)

    async def _unlink(self, name: str) -> None:
        self._leftovers.get(content_of(name), set()).discard(name)
        await unlink_second_name(self._tree.conflicts / name, self._index, self._locks, self._blocking)

    async def keep_shown(self, path: str, place: Place, *, keep: bool) -> Row | None:
        """Keep what stands under `path`, which lost, before it is replaced; the row that it has then."""
        if not keep or place.row is None:
            return place.row
        name = kept_name(path, place.row.content_id)
        lost = next((head for head in place.heads if head.content_id == place.row.content_id), None)
        if lost is not None and self._is_discarded(path, lost):
            return place.row
        await expect_second_name(self._index, path, place.row)
        known = await self._blocking(self._tree.keep, path, self._tree.conflicts / name, place.row)
        self._index.feed(path, Found(row=known, now_ns=now_ns()))
        stamp_ns, node = (lost.stamp_ns, lost.dot.node) if lost else (0, self._index.node)
        content_id, size_bytes = place.row.content_id, place.row.size_bytes
        self._index.note_conflict(Conflict(path=path, content_id=content_id, node=node, stamp_ns=stamp_ns,
                                          size_bytes=size_bytes, kept=name))  # fmt: skip
        return known

    async def keep_losers(self, path: str) -> None:
        """List every content that lost on `path`, and keep it where only our staging has it."""
        for head in losers(self._index.place(path).heads):
            known = self._index.conflicts.get((path, head.content_id))
            if self._is_discarded(path, head) or (known and known.kept):
                continue
            name = kept_name(path, head.content_id)
            held = self._staging.take(head.content_id)
            if held is not None:
                await self._keep_held(path, head, held)
            elif name in self._leftovers.get(head.content_id, ()):
                await self._blocking(sync_folder, self._tree.conflicts)
                self._note_conflict(path, head, name)
            elif known is None or known.discarded:
                self._note_conflict(path, head, "")

    def _is_discarded(self, path: str, head: Head) -> bool:
        known = self._index.conflicts.get((path, head.content_id))
        return known is not None and known.discarded and (known.stamp_ns, known.node) == (head.stamp_ns, head.dot.node)

    async def _keep_held(self, path: str, head: Head, held: Held) -> None:
        """Move content that lost on `path` from staging to the conflict store."""
        name = kept_name(path, head.content_id)
        file = self._tree.conflicts / name
        try:
            async with losing_its_name(file, self._index, self._locks, self._blocking):
                await self._blocking(replace_durably, held.file, file)
        except OSError:
            await self._find_again(held, file)
            raise
        self._note_conflict(path, head, name)

    async def _find_again(self, held: Held, file: Path) -> None:
        """A move failed: the content is still in staging, or in the store already, though not durably."""
        if not await self._blocking(_is_missing, held.file):
            self._staging.add(held)
        elif not await self._blocking(_is_missing, file):
            self._leftovers.setdefault(held.content_id, set()).add(file.name)

    def _note_conflict(self, path: str, head: Head, name: str) -> None:
        if (path, head.content_id) not in self._index.conflicts:
            log.warning("conflict", path=path, content_id=head.content_id, node=head.dot.node)
        self._index.note_conflict(
            Conflict(
                path=path,
                content_id=head.content_id,
                node=head.dot.node,
                stamp_ns=head.stamp_ns,
                size_bytes=head.size_bytes,
                kept=name,
            )
        )


def _is_missing(file: Path) -> bool:
    """Whether it is known not to be there."""
    try:
        file.lstat()
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return False


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def over_quota(conflicts: tuple[Conflict, ...], limit_bytes: int) -> tuple[Conflict, ...]:
    """The kept contents that must go, oldest first, for the rest to fit into `limit_bytes`."""
    kept = sorted((conflict for conflict in conflicts if conflict.kept), key=lambda conflict: conflict.stamp_ns)
    excess_bytes = sum(conflict.size_bytes for conflict in kept) - limit_bytes
    gone = []
    for conflict in kept:
        if excess_bytes <= 0:
            break
        gone.append(conflict)
        excess_bytes -= conflict.size_bytes
    return tuple(gone)


def kept_name(path: str, content_id: str) -> str:
    """The file name of losing content in the conflict store."""
    name = path.rpartition("/")[2].encode()[:_MAX_KEPT_NAME_BYTES].decode(errors="ignore")
    return f"{content_id}-{name}"
