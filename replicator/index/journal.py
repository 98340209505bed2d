"""Keeps what happened to which path: an append-only table of the index, committed with the changes themselves.

It is bounded by a number of entries over all paths, the oldest go first. Appending costs one row at the end of the
table, in the transaction of the change; nothing of it is held in memory, and reading it walks the table (rarely: only
when somebody asks).
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from cluster.clock import monotonic_s, now_ns
from cluster.explained import Moment
from replicator.core.head import Head
from replicator.core.place import Applied, Found, Heard, Input, Place, Restamped, Rotten, Written
from replicator.index.activity import Activity
from replicator.index.writer import Change, IndexWriter

_PRUNED_AT_ONCE: Final = 1000
_LAST: Final = "SELECT moment FROM journal WHERE path = ? ORDER BY number DESC LIMIT ?"
_SHOWN: Final = 16  # digits of a content id
MAX_TOLD: Final = 64
"""So many of the last moments of a path are told."""

_WHAT: Final[dict[type[Input], str]] = {
    Written: "written",
    Found: "found",
    Heard: "heard",
    Restamped: "restamped",
}


class Journal:
    """The journal of one index. Used by the control thread alone."""

    def __init__(self, writer: IndexWriter, entries: int) -> None:
        """`entries` at most are kept, and some: it is pruned a thousand at a time."""
        self.activity = Activity()
        self._writer, self._entries = writer, entries
        self._number = writer.last_moment

    def note(self, path: str, event: Input, before: Place, after: Place, sequence: int) -> None:
        """A place was stepped; `sequence` is the replica's after that."""
        for moment in moments(event, before, after, now_ns()):
            if moment.what == "shown":
                self.activity.arrived(moment.size_bytes, monotonic_s())
            elif moment.what in {"written", "found", "imported"}:
                self.activity.made(moment.size_bytes, monotonic_s())
            if self._entries:
                self.add(path, moment, sequence)

    def add(self, path: str, moment: Moment, sequence: int) -> None:
        """This happened."""
        self._number += 1
        self._writer.write(Change("journal", (self._number, path), msgspec.msgpack.encode(moment), sequence))
        if self._number % _PRUNED_AT_ONCE == 0 and self._number > self._entries:
            self._writer.write(Change("journal", (self._number - self._entries, ""), None, sequence))


def read_journal(file: Path, path: str) -> tuple[Moment, ...]:
    """The last moments of a path that the index at `file` has, oldest first. Blocks; sqlite3.Error passes."""
    database = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        found = database.execute(_LAST, (path, MAX_TOLD)).fetchall()
    finally:
        database.close()
    return tuple(msgspec.msgpack.decode(moment, type=Moment) for (moment,) in reversed(found))


def moments(event: Input, before: Place, after: Place, at_ns: int) -> Iterator[Moment]:
    """What the step means for people: versions and stamps that are new here, and what the disk shows now."""
    known = {(head.dot, head.stamp_ns) for head in before.heads}
    what = _WHAT.get(type(event), "")
    if isinstance(event, Found) and event.imported:
        what = "imported"
    for head in after.heads:
        if (head.dot, head.stamp_ns) not in known:
            yield _moment(at_ns, what, head)
    if isinstance(event, Found) and event.row is None and before.row is not None and before.heads == after.heads:
        yield Moment(at_ns, "missing", kind=before.row.kind.value, content_id=before.row.content_id[:_SHOWN])
    if isinstance(event, Rotten) and before.row is not None:
        yield Moment(at_ns, "rotten", kind=before.row.kind.value, content_id=before.row.content_id[:_SHOWN])
    if isinstance(event, Applied) and before.row != after.row:
        row = after.row
        if row is None:
            yield Moment(at_ns, "cleared")
        else:
            yield Moment(
                at_ns, "shown", kind=row.kind.value, content_id=row.content_id[:_SHOWN], size_bytes=row.size_bytes
            )


def _moment(at_ns: int, what: str, head: Head) -> Moment:
    return Moment(
        at_ns,
        what,
        head.dot.node,
        head.dot.sequence,
        head.kind.value,
        head.content_id[:_SHOWN],
        head.size_bytes,
        head.account,
    )
