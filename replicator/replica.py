"""Makes the disk of this node show what its index says, and the index know what its disk shows.

One control thread (the event loop) steps places; disk and hashing run in a pool. Work on one path is done under its
lock; news from peers is merged without it, and whoever holds the lock looks again afterwards.
"""

import asyncio
import contextlib
import errno
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple, assert_never

import msgspec

from cluster.clock import now_ns
from cluster.folders import OddEntryError
from cluster.log import logger
from cluster.replication_settings import Replication
from cluster.tree_path import parents
from replicator.core.belief import remembers_more
from replicator.core.head import Head, Heads, Kind, Vector, losers, seen_by, unseen
from replicator.core.place import (
    Action,
    Applied,
    Clear,
    Found,
    Heard,
    Install,
    MakeFolder,
    Place,
    PutAway,
    Rest,
    Row,
    Touch,
    Written,
    plan,
    row_of,
)
from replicator.disk.conflict_store import ConflictStore
from replicator.disk.lanes import DiskLanes, each
from replicator.disk.marker import ROLLED_BACK, Marker
from replicator.disk.path_locks import PathLocks
from replicator.disk.second_names import expect_change, know_ctime
from replicator.disk.sources import Sources
from replicator.disk.staging import Held, Staging
from replicator.disk.tree import Installation, Sighting, Tree, UnstableError, is_as_recorded
from replicator.disk.versions import Versions
from replicator.folders import Folders
from replicator.held_deletes import HeldDeletes
from replicator.index.index import Index
from replicator.index.intent import Intent
from replicator.not_yet import NotYetError

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")
_POOL_THREADS: Final = 16
_TRIES: Final = 20
_SETTINGS: Final = Replication()
_WORTH_WAITING_BYTES: Final = 64 << 10

log = logger(__name__)


Fetch = Callable[[str, str, int], Awaitable[Held]]
"""Gets content (for a path, by id and size) from a peer into staging; NotYetError when no peer gives it."""
Build = Callable[[str, str, str, int, Callable[[], None]], Awaitable[Held]]
"""Gets content of a peer (for a path, by id and size) by what is similar here; NotYetError when that cannot be."""


class Replica:
    """One replica of the tree. Used by the control thread alone."""

    def __init__(
        self, index: Index, tree: Tree, marker: Marker, staging: Staging, settings: Replication = _SETTINGS
    ) -> None:
        self.index = index
        self.tree = tree
        self.marker = marker
        self.staging = staging
        self.locks = PathLocks()
        self.settlers = PathLocks()
        self._contents = PathLocks()
        self.fetch: Fetch = _no_peer
        self.build: Build = _not_similar
        self.wake: Callable[[str], None] = lambda _path: None
        self.on_disowned: Callable[[str], None] = self.marker.disown
        self.doubtful: dict[str, int] = {}  # intents that a failing disk may have half done: a look decides first
        self._pool = ThreadPoolExecutor(_POOL_THREADS, "disk")
        self.lanes = DiskLanes(self._pool)
        self._looks = each(tree.look)
        self.held_deletes = HeldDeletes(index, settings.delete_budgets)
        self.versions = Versions(index, tree, self.locks, self.blocking, settings)
        self.conflicts = ConflictStore(index, tree, staging, self.locks, self.blocking)
        self._folders = Folders(self)
        self.sources = Sources(index, tree, staging, self.conflicts, self.versions, self.locks, self.blocking)

    def close(self) -> None:
        """Wait for the disk work under way."""
        self._pool.shutdown()

    async def blocking(self, work: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
        """Run disk work in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def hear(self, path: str, heads: Heads) -> None:
        """Merge what a peer announced of one path, and have the disk follow."""
        self.hear_all([(path, heads)])

    def hear_all(self, news: Collection[tuple[str, Heads]], peer: str = "", *, wake: bool = True) -> None:
        """Merge what a peer announced; none of it if some of it shows that our index was rolled back.

        All is looked at before any is merged: hearing moves our own sequence on, and would hide what comes after.
        What is not replicated is not heard. Of a named `peer`, deletions that come in a flood are held back.
        """
        index, clock = self.index, self.index.clock
        news = [(path, heads) for path, heads in news if not index.excludes(path)]
        if any(remembers_more(clock, index.facts.leaps, index.place(path).heads, heads) for path, heads in news):
            self.on_disowned(ROLLED_BACK)
            return
        for path, heads in self.held_deletes.heard(peer, news) if peer else news:
            place = index.feed(path, Heard(heads=heads))
            if wake and (path in index.pending or losers(place.heads)):
                self.wake(path)

    def doubt(self, path: str, number: int) -> None:
        """An intent failed at this path, and its change may have been made: the next look decides."""
        self._resolve(path)
        self.doubtful[path] = number

    async def settle(self, path: str) -> None:
        """Make the disk show the winner of `path`, and keep what lost.

        NotYetError, OSError, UnstableError or WrongRootError when it cannot be done now.
        """
        if self.index.excludes(path):
            return
        async with self.settlers.of(path), self._contents.of(*self._wanted(path)):
            await self._settle(path)

    def _wanted(self, path: str) -> tuple[str, ...]:
        """The large content that the path waits for: two paths do not fetch it both, the second copies it."""
        action = plan(self.index.place(path))
        if isinstance(action, Install) and action.head.size_bytes > _WORTH_WAITING_BYTES:
            return (action.head.content_id,)
        return ()

    async def _settle(self, path: str) -> None:
        self.marker.check()
        for _ in range(_TRIES):
            await self.conflicts.keep_losers(path)
            action = plan(self.index.place(path))
            if isinstance(action, Rest):
                return
            held = await self.content(path, action.head) if isinstance(action, Install) else None
            try:
                if not isinstance(action, Clear):
                    await self.ensure_folders(path, over_files=True)
                async with self.locks.of(path):
                    if plan(self.index.place(path)) == action and await self._carry_out(path, action, held):
                        held = None
            finally:
                if held is not None:
                    self.staging.add(held)
        raise NotYetError(f"{path} changes faster than it can be followed")

    async def rescan(self, path: str, *, deleted: bool = False) -> None:
        """Look at the disk and have the index follow. `deleted`: absence is a removal, not damage."""
        if self.index.excludes(path):
            return
        async with self.locks.of(path):
            await self._rescan_locked(path, deleted=deleted)
        if path in self.index.pending:
            self.wake(path)

    async def ensure_folders(self, path: str, *, over_files: bool) -> list[str]:
        """Make every folder above `path` on the disk and in the index; the paths of those that are new in the index.

        A file in the way is kept in the conflict store, or with `over_files` false it is a NotYetError.
        """
        return await self._folders.ensure(path, over_files=over_files)

    async def content(self, path: str, head: Head) -> Held:
        """A staged file with the content of `head` for `path`, that belongs to the caller: from here or from a peer."""
        held = await self.sources.take(head.content_id)
        return held or await self.fetch(path, head.content_id, head.size_bytes)

    async def _carry_out(self, path: str, action: Action, held: Held | None) -> bool:
        """Do it, if the disk still is as the row says, and else look again; whether the staged file was used."""
        self.marker.check()
        place = self.index.place(path)
        was_folder = place.row is not None and place.row.kind is Kind.DIRECTORY
        is_plain = isinstance(action, Install) and not (action.keep or was_folder or path in self.doubtful)
        if not is_plain and not await self.is_as_recorded(path):  # a plain install looks itself
            await self._rescan_locked(path, deleted=False)
            return False
        if was_folder and self.index.live_children(path):
            self._folders.keep(path)
            return False
        row: Row | None
        match action:
            case Rest():
                return False
            case Install(head, keep):
                assert held is not None, "an install comes with its content"
                known = await self.conflicts.keep_shown(path, place, keep=keep)
                try:
                    known = known if keep else await self.versions.keep(path, place, head.content_id)
                    piece = Installation(held.file, path, row_of(head), head.mode, known, held.is_synced)
                    intent = Intent(path=path, content_id=head.content_id, seen=seen_by(place.heads))
                    async with self._intending(path, intent):
                        row = await self.lanes.run(self.tree.install_all, piece)
                        self.index.feed(path, Applied(row=row, seen=seen_by(place.heads)))
                except UnstableError:
                    await self._rescan_locked(path, deleted=False)
                    return False
                return True
            case MakeFolder(_, keep):
                known = await self.conflicts.keep_shown(path, place, keep=keep)
                row = await self.blocking(self.tree.make_folder, path, known)
            case Touch(head):
                assert place.row is not None, "only what stands there is touched"
                async with self._intending(path, self._touching(path, place.row, head.mtime_ns, seen_by(place.heads))):
                    row = await self.blocking(self.tree.touch, path, place.row, head.mtime_ns, head.mode)
                    self.index.feed(path, Applied(row=row, seen=seen_by(place.heads)))
                return False
            case Clear() | PutAway():
                await self._clear(path, place)
                row = None
            case _:
                assert_never(action)
        self.index.feed(path, Applied(row=row, seen=seen_by(place.heads)))
        return False

    @contextlib.asynccontextmanager
    async def _intending(self, path: str, intent: Intent) -> AsyncIterator[None]:
        """What happens within appears on the disk, and may be cut off before the index knows: the restart must know it.

        Else the content would be taken for a new version, and a newer one, or its removal, would lose against it.
        """
        self._resolve(path)
        number = self.index.intend(intent)
        try:
            await self.index.durable()
            yield
        except Exception as error:
            self.doubtful[path] = number
            if isinstance(error, sqlite3.Error):
                raise NotYetError(f"the index cannot be written: {error}") from error
            raise
        self.index.forget(number)  # not when the end cuts it off: then the next start finishes it

    def _touching(self, path: str, known: Row, mtime_ns: int, seen: Vector) -> Intent:
        """That a known file gets another time: whatever has rotted in it, it is known by its stat then."""
        touched = msgspec.structs.replace(expect_change(self.index, path, known), mtime_ns=mtime_ns)
        return Intent(path=path, content_id=known.content_id, seen=seen, known=touched)

    def _resolve(self, path: str) -> Intent | None:
        """The intent that failed at this path, now that the disk was looked at again; it is forgotten."""
        number = self.doubtful.pop(path, None)
        if number is None:
            return None
        intent = self.index.intents[number]
        self.index.forget(number)
        return intent

    async def _clear(self, path: str, place: Place) -> None:
        assert place.row is not None, "only what stands there is cleared"
        try:
            if place.row.kind is Kind.FILE and place.stray:
                known = await self.conflicts.keep_shown(path, place, keep=True)
                await self.index.durable()  # that it is kept must be known before it goes
                await self.blocking(self.tree.remove, path, place.row.kind, known)
            elif place.row.kind is Kind.FILE:
                await self.sources.spare(path, place.row, await self.versions.note(path, place))
            else:
                await self.blocking(self.tree.remove, path, place.row.kind, place.row)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            raise NotYetError(f"{path} is not to be there, but is not empty") from error

    async def is_as_recorded(self, path: str) -> bool:
        """Whether the disk still is as the row of the path says."""
        return is_as_recorded(await self._look(path), self.index.place(path).row)

    async def _look(self, path: str) -> Sighting | None:
        try:
            return await self.lanes.run(self._looks, path)
        except OddEntryError as error:
            raise NotYetError(f"{path} is neither a file nor a directory on this node's disk") from error

    async def know_locked(self, path: str) -> None:
        """Look again at a path whose lock the caller holds, if the disk is no longer as the index has it.

        Before what stands there is moved, touched or replaced: it may be newer than the index.
        """
        self.marker.check()
        if not await self.is_as_recorded(path):
            await self._rescan_locked(path, deleted=False)

    async def touch_locked(self, path: str, known: Row, mtime_ns: int, *, mode: int, account: str) -> None:
        """Give the file that is known by this row another time, for `account`. The caller holds its lock.

        What a failing disk has half done, or was cut off, is no new version, and is undone.
        """
        intent = self._touching(path, known, mtime_ns, self.index.place(path).seen)
        async with self._intending(path, intent):
            row = await self.blocking(self.tree.touch, path, known, mtime_ns)
            self.index.feed(path, Written(row=row, mode=mode, now_ns=now_ns(), account=account))

    async def replace_locked(self, staged: Path, path: str, wanted: Row, asked: Heads) -> Row:
        """Give a staged file its name, over whatever file stands there, and the lock of which the caller holds.

        The row it has. A file of which nobody knew who `asked`, from a peer or another program, is kept as a conflict.
        """
        try:
            return await self._replace(staged, path, wanted, asked)
        except UnstableError:
            await self.know_locked(path)
            place = self.index.place(path)
            if place.row is not None and place.row.kind is Kind.DIRECTORY:
                raise NotYetError(f"a folder was made at {path} meanwhile") from None
            return await self._replace(staged, path, wanted, asked)

    async def _replace(self, staged: Path, path: str, wanted: Row, asked: Heads) -> Row:
        place = self.index.place(path)
        kept = {head.content_id for head in unseen(place.heads, asked, wanted.content_id)}
        if place.row is not None and place.row.content_id in kept:
            known = await self.conflicts.keep_shown(path, place, keep=True)
        else:
            known = await self.versions.keep(path, place, wanted.content_id)
        piece = Installation(staged, path, wanted, known=known, is_synced=True)
        return await self.lanes.run(self.tree.install_all, piece)

    async def _rescan_locked(self, path: str, *, deleted: bool) -> None:
        self.marker.check()
        seen = await self._look(path)
        if self.recorded_locked(path, seen):
            return
        if deleted and self.held_deletes.holds(path):
            return
        if seen is not None and seen.row.kind is Kind.FILE:
            seen = await self.blocking(self.tree.read, path)
        elif seen is not None or isinstance(plan(self.index.place(path)), Clear):
            # A removal of ours that failed may have been made: it must not be undone by a power cut once it is known.
            await self.blocking(self.tree.make_name_durable, path)
        self.marker.check()
        await self.take_in_locked(path, seen, deleted=deleted)

    def recorded_locked(self, path: str, seen: Sighting | None) -> bool:
        """Whether the row of a path, the lock of which the caller holds, says that: then nothing is in doubt."""
        if not is_as_recorded(seen, self.index.place(path).row):
            return False
        self._resolve(path)
        know_ctime(self.index, path, seen)
        return True

    async def take_in_locked(self, path: str, seen: Sighting | None, *, deleted: bool) -> None:
        """Have the index follow what was found at a path, the lock of which the caller holds.

        And who has checked the marker since it was found.
        """
        imported = not self.index.facts.imported
        if seen is None:
            self._resolve(path)
            self.index.feed(path, Found(row=None, now_ns=now_ns(), deleted=deleted))
            return
        for folder in parents(path):
            if folder not in self.index.folders and self.index.place(folder).row is None:
                row = Row(kind=Kind.DIRECTORY)
                await self.blocking(self.tree.make_name_durable, folder)
                self.index.feed(folder, Found(row=row, now_ns=now_ns(), imported=imported))
        intent = self._resolve(path)
        reached = intent.reached(seen.row) if intent is not None else None
        if intent is not None and intent.seen and reached is not None:
            self.index.feed(path, Applied(row=reached, seen=intent.seen))
        else:
            found = seen.row if reached is None else reached
            self.index.feed(path, Found(row=found, mode=seen.mode, now_ns=now_ns(), imported=imported))


async def _no_peer(_path: str, content_id: str, _size_bytes: int) -> Held:
    raise NotYetError(f"no peer to fetch {content_id[:12]} from")


async def _not_similar(_peer: str, path: str, _id: str, _size_bytes: int, _on_step: Callable[[], None]) -> Held:
    raise NotYetError(f"nothing similar to {path} is here")
