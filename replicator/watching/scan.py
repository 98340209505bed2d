"""Walks the whole root and has the index follow what it finds; what is missing is healed, not deleted (a setting)."""

import asyncio
import functools
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from cluster.clock import monotonic_s, now_ns
from cluster.folders import OddEntryError, OpenFolders, opened
from cluster.log import logger
from cluster.oddities import OddEntry, printable
from cluster.tree_path import RESERVED, complaint, parents
from replicator.core.head import Kind
from replicator.core.moved import moved
from replicator.core.place import ANY_CTIME_NS, Row
from replicator.disk.lanes import attempt
from replicator.disk.reading import SMALL_BYTES, read_soon, read_together
from replicator.disk.tree import Sighting, Tree, UnstableError, is_as_recorded, sighting
from replicator.not_yet import NotYetError
from replicator.replica import Replica
from replicator.watching.odd_entries import OddEntries
from replicator.watching.taking_in import Read, take_in
from replicator.watching.watch import Watch

_QUIET_NS: Final = 500_000_000
_SLICE: Final = 200
TOGETHER: Final = 200
"""So many small files are taken in at once, at most."""

log = logger(__name__)


class Listing(msgspec.Struct, frozen=True):
    """What one folder has: tree paths with what stands there, and those that cannot be replicated, with the reason."""

    seen: dict[str, Sighting]
    odd: dict[str, str]


def list_folder(tree: Tree, folder: str) -> Listing:
    """The entries of one folder. Blocks; a folder that is gone has none."""
    seen: dict[str, Sighting] = {}
    odd: dict[str, str] = {}
    try:
        with opened(tree.root, folder) as descriptor, os.scandir(descriptor) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if path == RESERVED:
                    continue
                wrong = complaint(path)
                if wrong:
                    odd[path] = wrong
                    continue
                try:
                    seen[path] = sighting(entry.stat(follow_symlinks=False))
                except OddEntryError as error:
                    odd[path] = error.what
                except FileNotFoundError:
                    continue
    except (FileNotFoundError, NotADirectoryError):
        return Listing({}, {})
    return Listing(seen, odd)


def differing(tree: Tree, rows: Mapping[str, Row | None]) -> dict[str, Sighting | Exception | None]:
    """The paths where the disk is not as the row says, with what stands there, or why it cannot be looked at. Blocks.

    Most marks are echoes of our own changes.
    """
    with OpenFolders(tree.root) as folders:
        seen = {path: attempt(functools.partial(tree.look_in, folders), path) for path in rows}
    return {
        path: each for path, each in seen.items() if isinstance(each, Exception) or not is_as_recorded(each, rows[path])
    }


def _is_small(seen: Sighting | Exception | None) -> bool:
    return isinstance(seen, Sighting) and seen.row.kind is Kind.FILE and seen.row.size_bytes <= SMALL_BYTES


def _files(tree: Tree, paths: Sequence[str]) -> dict[str, Row]:
    """What stat says of the files among these paths. Blocks."""
    with OpenFolders(tree.root) as folders:
        looks = {path: attempt(functools.partial(tree.look_in, folders), path) for path in paths}
    return {path: seen.row for path, seen in looks.items() if isinstance(seen, Sighting) and seen.row.kind is Kind.FILE}


def _absent(tree: Tree, paths: Sequence[str]) -> list[str]:
    """Those where nothing stands. Blocks."""
    with OpenFolders(tree.root) as folders:
        return [path for path in paths if attempt(functools.partial(tree.look_in, folders), path) is None]


class Scan:
    """Scans of one root. Used by the control thread alone."""

    many = 16  # so many new small files of one folder are taken in together

    def __init__(self, replica: Replica, watch: Watch, *, missing_is_deleted: bool) -> None:
        self._replica = replica
        self._watch = watch
        self._missing_is_deleted = missing_is_deleted

    async def run(self, folder: str = "", entries_per_s: float = math.inf) -> OddEntries:
        """Look at everything below `folder`; what of it cannot be replicated. WrongRootError when it is not ours.

        OSError of a single entry is logged, and the next scan looks again. Others have their turn every few entries.
        """
        pace = _Pace(entries_per_s)
        odd, folders = OddEntries(), [folder]
        missing: list[str] = []
        while folders:
            folder = folders.pop()
            self._replica.marker.check()
            listing = await self._replica.blocking(list_folder, self._replica.tree, folder)
            excludes = self._replica.index.excludes
            odd.add(OddEntry(printable(path), why) for path, why in listing.odd.items() if not excludes(path))
            small = []
            for path, seen in listing.seen.items():
                await pace.entry()
                if self._is_news(path, seen):
                    if _is_small(seen):
                        small.append(path)
                    else:
                        await self._look(path, deleted=False)
            await self._take_in(small)
            for path in list(self._replica.index.children.get(folder, ())):
                await pace.entry()
                if path not in listing.seen and self._replica.index.place(path).row is not None:
                    missing.append(path)
            folders += [path for path, seen in listing.seen.items() if seen.row.kind is Kind.DIRECTORY]
        if self._missing_is_deleted and not self._replica.index.read_only:
            await self.delete(missing)
            return odd
        for path in (below for top in missing for below in (top, *self._replica.index.below(top))):
            if self._replica.index.place(path).row is not None and not self._replica.held_deletes.holds(path):
                await self._look(path, deleted=False)
        return odd

    async def delete(self, gone: Sequence[str], come: Sequence[str] = ()) -> None:
        """These are gone from the disk, with all below them, because somebody deleted them; or it is a flood, and held.

        A folder above what is held back is made again, for others may put something into it. `come` are paths that
        were looked at before: one of them may be the new name of what is gone.
        """
        index = self._replica.index
        if not gone:
            return
        if index.read_only:
            for path in (below for top in gone for below in (top, *index.below(top))):
                await self._look(path, deleted=False)
            return
        lost = list(dict.fromkeys(path for top in gone for path in (*list(index.below(top))[::-1], top)))
        lost = [path for path in lost if not index.excludes(path)]
        absent = await self._replica.blocking(_absent, self._replica.tree, lost)
        untold = await self._follow_renames(absent, come)
        lost, absent = ([path for path in paths if path not in untold] for paths in (lost, absent))
        held = self._replica.held_deletes.found(absent, self._watch.removed())
        for path in lost:
            if path not in held:
                await self._look(path, deleted=True)
        for folder in sorted(path for path in held if index.held[path].is_folder):
            await self._look(folder, deleted=False)

    async def _follow_renames(self, absent: Sequence[str], come: Iterable[str]) -> frozenset[str]:
        """Have the index know renamed files by their new names before the old ones go; the old names that may not go.

        Told first, the removal would take the content from all peers, and it would be lost with this node. Where the
        new name cannot be read the old one is damage to heal; where it changes just now, the removal is told later.
        """
        index = self._replica.index
        rows = {path: index.place(path).row for path in absent}
        gone = {path: row for path, row in rows.items() if row is not None and row.kind is Kind.FILE}
        if not gone:
            return frozenset()
        # What takes the place of a folder comes when all that was in it has gone.
        new = [path for path in (*come, *self._watch.resting()) if path not in index.folders]
        new = [path for path in new if not index.excludes(path)]
        seen = await self._replica.blocking(_files, self._replica.tree, new)
        untold: set[str] = set()
        for old, path in moved(gone, seen).items():
            await self._look(path, deleted=False)
            row = index.place(path).row
            if row is None or row.inode != gone[old].inode:
                waiting = {old, *parents(old)}.intersection(absent)
                untold |= waiting
                for again in waiting if path in self._watch.resting() else ():
                    self._watch.mark(again, deleted=True)
        return frozenset(untold)

    async def take_in_small(self, found: Mapping[str, Sighting | Exception | None]) -> list[str]:
        """Take in the small files among what was found together, if there is much; the paths that are left."""
        index = self._replica.index
        paths = [path for path in found if not index.excludes(path)]
        if len(paths) < self.many:
            return paths
        await self._take_in([path for path in paths if _is_small(found[path])], read_soon)
        return [path for path in paths if not _is_small(found[path])]

    def _is_news(self, path: str, seen: Sighting) -> bool:
        """Whether it must be looked at now; what changes just now is left to the marks."""
        index = self._replica.index
        known = index.place(path).row
        if index.excludes(path) or is_as_recorded(seen, known):
            return known is not None and known.ctime_ns == ANY_CTIME_NS
        changes = seen.row.kind is Kind.FILE and now_ns() - seen.row.ctime_ns < _QUIET_NS
        if changes and self._replica.index.facts.imported:
            self._watch.mark_found(path)
            return False
        return True

    async def _take_in(self, small: Sequence[str], read: Read = read_together) -> None:
        """Many small files at once; a few one by one, for a sync of the file system may take long."""
        for start in range(0, len(small), TOGETHER):
            some = small[start : start + TOGETHER]
            if len(some) < self.many:
                for path in some:
                    await self._look(path, deleted=False)
                continue
            for path, trouble in (await take_in(self._replica, some, read)).items():
                self._note(path, trouble)

    async def _look(self, path: str, *, deleted: bool) -> None:
        try:
            await self._replica.rescan(path, deleted=deleted)
        except (UnstableError, NotYetError, OSError) as error:
            self._note(path, error)

    def _note(self, path: str, trouble: Exception) -> None:
        match trouble:
            case UnstableError():
                self._watch.mark_found(path)
            case NotYetError() | OSError():
                log.warning("cannot be read", path=path, why=str(trouble))
            case _:
                raise trouble


class _Pace:
    """Lets others have their turn, and holds a rate."""

    def __init__(self, entries_per_s: float) -> None:
        self._entries_per_s = entries_per_s
        self._began_s = monotonic_s()
        self._entries = 0

    async def entry(self) -> None:
        self._entries += 1
        if self._entries % _SLICE == 0:
            await asyncio.sleep(pause_s(self._entries, monotonic_s() - self._began_s, self._entries_per_s))


def pause_s(entries: int, took_s: float, entries_per_s: float) -> float:
    """How long to rest after so many entries in that time, to be no faster than the rate."""
    return max(0.0, entries / entries_per_s - took_s)
