"""What our own hand changes of a known file's stat: by second names of it, by another time, by a rename."""

import contextlib
import errno
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from cluster.clock import now_ns
from replicator.core.place import ANY_CTIME_NS, Found, Row
from replicator.disk.blocking import Blocking
from replicator.disk.path_locks import PathLocks
from replicator.disk.tree import Sighting, sighting
from replicator.index.index import Index


async def expect_second_name(index: Index, path: str, row: Row) -> None:
    """Have the index know, durably, that the file is to get or to lose a second name; OSError if it cannot be written.

    That changes its ctime. Were it cut off before the index knows the new one, the next scan would read the file for
    that, and take what had rotted meanwhile for a new version.
    """
    expect_change(index, path, row)
    try:
        await index.durable()
    except sqlite3.Error as error:
        raise OSError(errno.EIO, f"the index cannot be written: {error}") from error


@contextlib.asynccontextmanager
async def losing_its_name(file: Path, index: Index, locks: PathLocks, blocking: Blocking) -> AsyncIterator[None]:
    """Within, this name is unlinked or replaced, which begins with a content id; its file may stand in the tree too.

    OSError passes.
    """
    content_id = content_of(file.name)
    rotten = [one.path for one in index.quarantine.values() if one.content_id == content_id]  # their rows have no id
    paths = {*index.by_content.get(content_id), *rotten}
    seen = await blocking(_shared, file) if paths else None
    shown = [path for path in sorted(paths) if seen and seen.same_file(index.place(path).row)]
    async with locks.of(*shown):
        for path in shown:
            row = index.place(path).row
            if row is not None and row.same_file(seen):
                await expect_second_name(index, path, row)
        yield


async def unlink_second_name(file: Path, index: Index, locks: PathLocks, blocking: Blocking) -> None:
    """Unlink a name that begins with a content id, the file of which may stand in the tree too; OSError passes."""
    async with losing_its_name(file, index, locks, blocking):
        await blocking(_unlink, file)


def expect_change(index: Index, path: str, row: Row) -> Row:
    """Have the index expect any ctime of the file from now on, durably once it is; the row that says so."""
    expected = msgspec.structs.replace(row, ctime_ns=ANY_CTIME_NS)
    index.feed(path, Found(row=expected, now_ns=now_ns()))
    return expected


def know_ctime(index: Index, path: str, seen: Sighting | None) -> None:
    """The known file was seen: whatever came of its second name, this is its ctime from now on."""
    row = index.place(path).row
    if seen is not None and row is not None and row.ctime_ns == ANY_CTIME_NS:
        known = msgspec.structs.replace(row, ctime_ns=seen.row.ctime_ns)
        index.feed(path, Found(row=known, now_ns=now_ns()))


def content_of(name: str) -> str:
    """The content id with which the name of a kept file begins."""
    return name.partition("-")[0]


def _shared(file: Path) -> Row | None:
    """What stat says of a file that has other names too."""
    try:
        status = file.lstat()
    except FileNotFoundError:
        return None
    return sighting(status).row if status.st_nlink > 1 else None


def _unlink(file: Path) -> None:
    file.unlink(missing_ok=True)
