"""Second names of files of the tree: links in the conflict store and among the versions."""

import errno
import sqlite3

import msgspec

from cluster.clock import now_ns
from replicator.core.place import ANY_CTIME_NS, Found, Row
from replicator.disk.tree import Sighting
from replicator.index.index import Index


async def expect_second_name(index: Index, path: str, row: Row) -> None:
    """Have the index know, durably, that the file is to get or to lose a second name; OSError if it cannot be written.

    That changes its ctime. Were it cut off before the index knows the new one, the next scan would read the file for
    that, and take what had rotted meanwhile for a new version.
    """
    index.feed(path, Found(row=msgspec.structs.replace(row, ctime_ns=ANY_CTIME_NS), now_ns=now_ns()))
    try:
        await index.durable()
    except sqlite3.Error as error:
        raise OSError(errno.EIO, f"the index cannot be written: {error}") from error


def know_ctime(index: Index, path: str, seen: Sighting | None) -> None:
    """The known file was seen: whatever came of its second name, this is its ctime from now on."""
    row = index.place(path).row
    if seen is not None and row is not None and row.ctime_ns == ANY_CTIME_NS:
        known = msgspec.structs.replace(row, ctime_ns=seen.row.ctime_ns)
        index.feed(path, Found(row=known, now_ns=now_ns()))
