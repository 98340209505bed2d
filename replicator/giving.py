"""Gives content of this node to a peer that wants it: from the tree, the conflict store, or an upload under way."""

import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from cluster.tree_path import on_disk
from replicator.connection import Connection
from replicator.core.head import Kind
from replicator.core.recipe import pack
from replicator.holding import in_a_line
from replicator.outlines import Outlines
from replicator.replica import Replica
from replicator.tree import OddEntryError
from replicator.wire import CHUNK_BYTES, AskBlocks, Blocks, Data, Want


class Giving:
    """The wants of one connection. Used by the control thread alone."""

    def __init__(self, replica: Replica, connection: Connection, outlines: Outlines) -> None:
        self._replica = replica
        self._connection = connection
        self._outlines = outlines

    async def give(self, message: Want) -> None:
        """Answer a Want, in chunks; with a problem where the content is not here."""
        problem = await self._from_a_source(message.content_id, lambda source: self._give_spans(message, source))
        if problem:
            await self._connection.send(Data(number=message.number, problem=problem))

    async def tell_blocks(self, message: AskBlocks) -> None:
        """Answer an AskBlocks, some blocks at a time as the file is read; with a problem where it is not here."""
        problem = await self._from_a_source(message.content_id, lambda source: self._tell_blocks(message, source))
        await self._connection.send(Blocks(number=message.number, last=True, problem=problem))

    async def _from_a_source(self, content_id: str, give: Callable[[Path], Awaitable[None]]) -> str:
        """Give from the first source that is there; the problem in a line, empty when it was given."""
        try:
            for source in self._sources(content_id):
                with contextlib.suppress(FileNotFoundError):
                    await give(source)
                    return ""
        except OSError as error:
            if self._connection.closed:
                raise
            return in_a_line(error)
        return "it is not here"

    def _sources(self, content_id: str) -> Iterator[Path]:
        replica = self._replica
        for path in tuple(replica.index.by_content.get(content_id, ())):
            row = replica.index.place(path).row
            with contextlib.suppress(OSError, OddEntryError):
                seen = replica.tree.look(path)
                if row and row.kind is Kind.FILE and seen and seen.row.same_file(row):
                    yield on_disk(replica.tree.root, path)
        for lost in tuple(replica.index.conflicts.values()):
            if lost.content_id == content_id and lost.kept:
                yield replica.tree.conflicts / lost.kept
        if content_id in replica.staging.offers:
            yield replica.staging.offers[content_id]

    async def _give_spans(self, message: Want, source: Path) -> None:
        fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for span in message.spans:
                offset, end = span.offset, span.offset + span.size_bytes
                while offset < end:
                    data = await self._replica.blocking(os.pread, fd, min(CHUNK_BYTES, end - offset), offset)
                    if not data:
                        await self._connection.send(Data(number=message.number, problem="it is shorter here"))
                        return
                    offset += len(data)
                    await self._connection.send(Data(number=message.number, data=data))
        finally:
            os.close(fd)

    async def _tell_blocks(self, message: AskBlocks, source: Path) -> None:
        async for blocks in self._outlines.read(source, message.content_id, message.size_bytes):
            await self._connection.send(Blocks(number=message.number, blocks=pack(blocks)))
