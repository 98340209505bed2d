"""The index's rows on a disk: a batch is committed as a whole, a moment later, or the error is told."""

import asyncio
import sqlite3

import msgspec


class Rows:
    """The tables as they are safe on the disk; they outlive the program."""

    def __init__(self, tables=None) -> None:
        self.tables = {name: dict(rows) for name, rows in (tables or {}).items()}

    def copy(self) -> "Rows":
        return Rows(self.tables)

    def value(self, table: str, key: str, kind):
        """One row, or None."""
        blob = self.tables.get(table, {}).get((key,))
        return None if blob is None else msgspec.msgpack.decode(blob, type=kind)


class SimulatedWriter:
    """As replicator.index.writer.IndexWriter, on simulated rows, time and faults."""

    def __init__(self, rows: Rows, loop, machine) -> None:
        self.durable_sequence = self.last_moment = 0
        self._rows, self._loop, self._machine = rows, loop, machine
        self._unwritten, self._waiting, self._coming = [], [], False

    def rows(self, table):
        return sorted(self._rows.tables.get(table, {}).items())

    def start(self, sequence):
        self.durable_sequence = sequence

    def write(self, change):
        self._unwritten.append(change)
        self._come()

    async def durable(self):
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._come()
        await done

    def close(self):
        self._commit()

    def _come(self):
        if not self._coming:
            self._coming = True
            self._loop.run_in_executor(None, self._write_batch)

    def _write_batch(self):
        self._coming = False
        waiting, self._waiting = self._waiting, []
        error = self._commit()
        sequence = self._unwritten_sequence if error is None else None
        self._loop.call_soon(self._committed, sequence, waiting, error)

    def _commit(self):
        try:
            self._machine.enter(writes=True)
        except OSError as error:
            return sqlite3.OperationalError(str(error))
        self._unwritten_sequence = self._unwritten[-1].sequence if self._unwritten else None
        for change in self._unwritten:
            table = self._rows.tables.setdefault(change.table, {})
            if change.blob is None:
                table.pop(change.key, None)
            else:
                table[change.key] = change.blob
        self._unwritten.clear()
        return None

    def _committed(self, sequence, waiting, error):
        if sequence is not None:
            self.durable_sequence = sequence
        for done in waiting:
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
