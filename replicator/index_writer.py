"""Commits statements to SQLite from a thread of its own, as many in one transaction as have gathered meanwhile."""

import asyncio
import queue
import sqlite3
import threading
from pathlib import Path
from typing import Final

import msgspec

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (path TEXT PRIMARY KEY, place BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS peers (node TEXT PRIMARY KEY, peer BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (number INTEGER PRIMARY KEY, intent BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS conflicts
    (path TEXT, content_id TEXT, conflict BLOB NOT NULL, PRIMARY KEY (path, content_id)) WITHOUT ROWID;
"""
_TABLES: Final = {
    "facts": ("key",),
    "places": ("path",),
    "peers": ("node",),
    "intents": ("number",),
    "conflicts": ("path", "content_id"),
}
_MAX_BATCH: Final = 2000


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


class _Flush(msgspec.Struct, frozen=True):
    done: "asyncio.Future[None]"


_Item = Change | _Flush | None


class IndexWriter:
    """The only writer of an index.

    What could not be committed (a full disk) is kept and tried again with the next; who waits meanwhile hears why.
    """

    def __init__(self, file: Path) -> None:
        """The writer of the index at `file`; sqlite3.Error passes."""
        self.durable_sequence = 0
        self._database = open_database(file)
        self._error: sqlite3.Error | None = None
        self._unwritten: list[Change] = []
        self._items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="index-writer")

    def rows(self, table: str) -> list[tuple[tuple[str | int, ...], bytes]]:
        """Every row of a table, in the order of its key; before the start only."""
        found = self._database.execute(f"SELECT * FROM {table} ORDER BY {', '.join(_TABLES[table])}")  # noqa: S608
        return [(tuple(row[:-1]), row[-1]) for row in found]

    def start(self, sequence: int) -> None:
        """Write from now on; the rows are as of the replica's `sequence`."""
        self.durable_sequence = sequence
        self._thread.start()

    def write(self, change: Change) -> None:
        """Commit this after all that was given before."""
        self._items.put(change)

    async def durable(self) -> None:
        """Wait until all that was given so far is committed; sqlite3.Error when it could not be."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._items.put(_Flush(done))
        await done

    def close(self) -> None:
        """Commit what is left and close the database."""
        self._items.put(None)
        if self._thread.is_alive():
            self._thread.join()
        self._database.close()

    def _run(self) -> None:
        going = True
        while going:
            batch = self._gather()
            going = batch[-1] is not None
            self._unwritten += [item for item in batch if isinstance(item, Change)]
            sequence = self._unwritten[-1].sequence if self._unwritten else None
            if self._unwritten:
                self._commit()
            waiting = [item.done for item in batch if isinstance(item, _Flush)]
            if going:
                self._loop.call_soon_threadsafe(self._committed, sequence, waiting, self._error)

    def _gather(self) -> list[_Item]:
        batch = [self._items.get()]
        while batch[-1] is not None and len(batch) < _MAX_BATCH and not self._items.empty():
            batch.append(self._items.get())
        return batch

    def _commit(self) -> None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for change in self._unwritten:
                self._database.execute(*_statement(change))
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


def _statement(change: Change) -> tuple[str, tuple[str | int | bytes, ...]]:
    if change.blob is None:
        condition = " AND ".join(f"{column} = ?" for column in _TABLES[change.table])
        return f"DELETE FROM {change.table} WHERE {condition}", change.key  # noqa: S608
    places = ", ".join("?" * (len(change.key) + 1))
    return f"INSERT OR REPLACE INTO {change.table} VALUES ({places})", (*change.key, change.blob)  # noqa: S608
