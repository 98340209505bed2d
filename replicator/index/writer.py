"""Commits statements to SQLite from a thread of its own, as many in one transaction as have gathered meanwhile."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (path TEXT PRIMARY KEY, place BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS peers (node TEXT PRIMARY KEY, peer BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (number INTEGER PRIMARY KEY, intent BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS journal (number INTEGER PRIMARY KEY, path TEXT NOT NULL, moment BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS conflicts
    (path TEXT, content_id TEXT, conflict BLOB NOT NULL, PRIMARY KEY (path, content_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions
    (path TEXT, content_id TEXT, version BLOB NOT NULL, PRIMARY KEY (path, content_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine (path TEXT PRIMARY KEY, quarantined BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held_deletes (path TEXT PRIMARY KEY, held BLOB NOT NULL) WITHOUT ROWID;
"""
_TABLES: Final = {
    "facts": ("key",),
    "places": ("path",),
    "peers": ("node",),
    "intents": ("number",),
    "journal": ("number", "path"),
    "conflicts": ("path", "content_id"),
    "versions": ("path", "content_id"),
    "held_deletes": ("path",),
    "quarantine": ("path",),
}
_APPENDED: Final = frozenset({"journal"})
"""Tables that are appended to, and shortened: a row of theirs is removed with all before it."""
_MAX_BATCHES: Final = 2000
_MAX_ROWS: Final = 256


def open_database(file: Path) -> sqlite3.Connection:
    """The index at `file`, made if missing, in WAL mode with a full fsync at each commit; sqlite3.Error passes."""
    database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL").fetchone()
        database.execute("PRAGMA synchronous = FULL")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


class Change(msgspec.Struct, frozen=True):
    """One row of a table as it is from now on, none without a `blob`; and the replica's sequence once it is durable."""

    table: str
    key: tuple[str | int, ...]
    blob: bytes | None
    sequence: int


class _Batch(msgspec.Struct, frozen=True):
    """What was given in one turn of the loop, and who waits for it."""

    changes: list[Change] = []
    waiting: "list[asyncio.Future[None]]" = []


class IndexWriter:
    """The only writer of an index.

    What could not be committed (a full disk) is kept and tried again with the next; who waits meanwhile hears why.
    """

    def __init__(self, file: Path) -> None:
        """The writer of the index at `file`; sqlite3.Error passes."""
        self.durable_sequence = 0
        self.file = file
        self._database = open_database(file)
        (self.last_moment,) = self._database.execute("SELECT coalesce(max(number), 0) FROM journal").fetchone()
        self._error: sqlite3.Error | None = None
        self._given = _Batch()
        self._unwritten: list[Change] = []
        self._batches: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="index-writer")

    def rows(self, table: str) -> Iterator[tuple[tuple[str | int, ...], bytes]]:
        """Every row of a table, in the order of its key; before the start only."""
        found = self._database.execute(f"SELECT * FROM {table} ORDER BY {', '.join(_TABLES[table])}")  # noqa: S608
        return ((tuple(row[:-1]), row[-1]) for row in found)

    def start(self, sequence: int) -> None:
        """Write from now on; the rows are as of the replica's `sequence`."""
        self.durable_sequence = sequence
        self._thread.start()

    def write(self, change: Change) -> None:
        """Commit this after all that was given before."""
        self._will_hand_over()
        self._given.changes.append(change)

    async def durable(self) -> None:
        """Wait until all that was given so far is committed; sqlite3.Error when it could not be."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._will_hand_over()
        self._given.waiting.append(done)
        await done

    def close(self) -> None:
        """Commit what is left and close the database."""
        self._hand_over()
        self._batches.put(None)
        if self._thread.is_alive():
            self._thread.join()
        self._database.close()

    def _will_hand_over(self) -> None:
        """To wake the thread costs more than what it does for one change."""
        if not self._given.changes and not self._given.waiting:
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        if self._given.changes or self._given.waiting:
            self._batches.put(self._given)
            self._given = _Batch()

    def _run(self) -> None:
        while (first := self._batches.get()) is not None:
            batches, ended = [first], False
            while not ended and len(batches) < _MAX_BATCHES and not self._batches.empty():
                batch = self._batches.get()
                ended = batch is None
                batches += [] if batch is None else [batch]
            for batch in batches:
                self._unwritten += batch.changes
            sequence = self._unwritten[-1].sequence if self._unwritten else None
            if self._unwritten:
                self._commit()
            if ended:
                return
            waiting = [done for batch in batches for done in batch.waiting]
            self._loop.call_soon_threadsafe(self._committed, sequence, waiting, self._error)

    def _commit(self) -> None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for statement, values in _statements(self._unwritten):
                self._database.execute(statement, values)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._error = error
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        else:
            self._error = None
            self._unwritten.clear()

    def _committed(
        self, sequence: int | None, waiting: list["asyncio.Future[None]"], error: sqlite3.Error | None
    ) -> None:
        if sequence is not None and error is None:
            self.durable_sequence = sequence
        for done in waiting:
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)


_Value = str | int | bytes


def _statements(changes: Iterable[Change]) -> Iterator[tuple[str, list[_Value]]]:
    """Statements of many rows each, in which the last change of a row stands for all: each call to SQLite has a price.

    The numbers of rows are powers of two, so that few texts of statements are needed and SQLite knows them all.
    """
    last = {(change.table, change.key): change.blob for change in changes}
    for table, columns in _TABLES.items():
        put = [(*key, blob) for (its, key), blob in last.items() if its == table and blob is not None]
        gone = [key for (its, key), blob in last.items() if its == table and blob is None]
        for rows in _parts(put):
            values = ", ".join([_marks(len(columns) + 1)] * len(rows))
            yield f"INSERT OR REPLACE INTO {table} VALUES {values}", [value for row in rows for value in row]  # noqa: S608
        if gone and table in _APPENDED:
            yield f"DELETE FROM {table} WHERE {columns[0]} <= ?", [max(key[0] for key in gone)]  # noqa: S608
            continue
        for keys in _parts(gone):
            values = ", ".join([_marks(len(columns))] * len(keys))
            yield (
                f"DELETE FROM {table} WHERE ({', '.join(columns)}) IN (VALUES {values})",  # noqa: S608
                [value for key in keys for value in key],
            )


def _parts(rows: Sequence[tuple[_Value, ...]]) -> Iterator[Sequence[tuple[_Value, ...]]]:
    start = 0
    while start < len(rows):
        count = min(_MAX_ROWS, 1 << (len(rows) - start).bit_length() - 1)
        yield rows[start : start + count]
        start += count


def _marks(count: int) -> str:
    return f"({', '.join('?' * count)})"
