"""Gives content of this node to a peer that wants it: from the tree, or from the conflict store."""

import contextlib
import os
from pathlib import Path

from cluster.tree_path import on_disk
from replicator.connection import Connection
from replicator.core.head import Kind
from replicator.holding import in_a_line
from replicator.replica import Replica
from replicator.tree import OddEntryError
from replicator.wire import CHUNK_BYTES, Data, Want


class Giving:
    """The wants of one connection. Used by the control thread alone."""

    def __init__(self, replica: Replica, connection: Connection) -> None:
        self._replica = replica
        self._connection = connection

    async def give(self, message: Want) -> None:
        """Answer a Want, in chunks; with a problem where the content is not here."""
        try:
            for source in self._sources(message.content_id):
                if await self._give_file(message, source):
                    return
            await self._connection.send(Data(number=message.number, last=True, problem="it is not here"))
        except OSError as error:
            if not self._connection.closed:
                await self._connection.send(Data(number=message.number, last=True, problem=in_a_line(error)))

    def _sources(self, content_id: str) -> list[Path]:
        replica = self._replica
        sources = []
        for path in replica.index.by_content.get(content_id, ()):
            row = replica.index.place(path).row
            with contextlib.suppress(OSError, OddEntryError):
                seen = replica.tree.look(path)
                if row and row.kind is Kind.FILE and seen and seen.row.same_file(row):
                    sources.append(on_disk(replica.tree.root, path))
        kept = [lost.kept for lost in replica.index.conflicts.values() if lost.content_id == content_id and lost.kept]
        return sources + [replica.tree.conflicts / name for name in kept]

    async def _give_file(self, message: Want, source: Path) -> bool:
        try:
            fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            offset = message.offset
            while True:
                data = await self._replica.blocking(os.pread, fd, CHUNK_BYTES, offset)
                offset += len(data)
                last = len(data) < CHUNK_BYTES
                await self._connection.send(Data(number=message.number, data=data, last=last))
                if last:
                    return True
        finally:
            os.close(fd)
