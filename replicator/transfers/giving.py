"""Gives content of this node to a peer that wants it, wherever it lies here."""

import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from cluster.folders import OpenFolders
from cluster.replication_settings import Compression
from replicator.core.place import Row
from replicator.core.recipe import pack
from replicator.disk.tree import Tree, sighting
from replicator.peers.connection import Connection
from replicator.peers.packing import Packing
from replicator.peers.throttle import ClosedError, Throttle
from replicator.peers.wire import CHUNK_BYTES, NOT_HERE, AskBlocks, Blocks, Busy, Data, Small, Want, WantSmall
from replicator.replica import Replica
from replicator.transfers.holding import in_a_line
from replicator.transfers.outlines import Outlines

_SMALL_ANSWER_BYTES: Final = 2 << 20


class Giving:
    """The wants of one connection. Used by the control thread alone."""

    def __init__(
        self, replica: Replica, connection: Connection, outlines: Outlines, throttle: Throttle, compression: Compression
    ) -> None:
        self._replica = replica
        self._connection = connection
        self._outlines = outlines
        self._throttle = throttle
        self._packing = Packing(connection, compression)

    async def give(self, message: Want) -> None:
        """Answer a Want, in chunks; with a problem where the content is not here."""
        problem = await self._from_a_source(message.content_id, lambda source: self._give_spans(message, source))
        if problem:
            await self._connection.send(Data(number=message.number, problem=problem))

    async def give_small(self, message: WantSmall) -> None:
        """Answer a WantSmall: as much as fits into one message, one content at least; none while the link is closed."""

        async def say() -> None:
            await self._connection.send(Busy(number=message.number))

        try:
            most_bytes = _SMALL_ANSWER_BYTES if self._throttle.limit is None else self._throttle.chunk_bytes()
            sources = [next(self._replica.sources.known(content_id), None) for content_id in message.contents]
            contents = await self._replica.blocking(_read_small, self._replica.tree, sources, most_bytes)
            await self._throttle.let_through(sum(len(data or b"") for data in contents), say)
        except ClosedError:
            contents = [None] * len(message.contents)
        await self._connection.send(Small(number=message.number, contents=tuple(contents)))

    async def tell_blocks(self, message: AskBlocks) -> None:
        """Answer an AskBlocks, some blocks at a time as the file is read; with a problem where it is not here."""
        problem = await self._from_a_source(message.content_id, lambda source: self._tell_blocks(message, source))
        await self._connection.send(Blocks(number=message.number, last=True, problem=problem))

    async def _from_a_source(self, content_id: str, give: Callable[[Path], Awaitable[None]]) -> str:
        """Give from the first source that is there; the problem in a line, empty when it was given."""
        try:
            for source in self._replica.sources.files(content_id):
                with contextlib.suppress(FileNotFoundError):
                    await give(source)
                    return ""
        except OSError as error:
            if self._connection.closed:
                raise
            return in_a_line(error)
        return NOT_HERE

    async def _give_spans(self, message: Want, source: Path) -> None:
        is_exempt = message.content_id in self._replica.staging.offers  # an upload waits for it

        packed = self._packing.of_content()

        async def say() -> None:
            await self._connection.send(Busy(number=message.number))

        fd = self._replica.tree.open(source)
        try:
            for span in message.spans:
                offset, end = span.offset, span.offset + span.size_bytes
                while offset < end:
                    most_bytes = CHUNK_BYTES if is_exempt else self._throttle.chunk_bytes()
                    data = await self._replica.blocking(os.pread, fd, min(most_bytes, end - offset), offset)
                    if not data:
                        await self._connection.send(Data(number=message.number, problem="it is shorter here"))
                        return
                    offset += len(data)
                    sent, is_packed = await packed.pack(data, self._throttle.limit)
                    if not is_exempt:
                        await self._throttle.let_through(len(sent), say)
                    await self._connection.send(Data(number=message.number, data=sent, packed=is_packed))
        finally:
            os.close(fd)

    async def _tell_blocks(self, message: AskBlocks, source: Path) -> None:
        number = message.number
        async with contextlib.aclosing(self._outlines.read(source, message.content_id, message.size_bytes)) as reading:
            async for blocks in reading:
                told = Blocks(number=number, blocks=pack(blocks)) if blocks else Busy(number=number)
                await self._connection.send(told)


def _read_small(tree: Tree, sources: Sequence[tuple[str, Row | None] | None], most_bytes: int) -> list[bytes | None]:
    """The first contents, until they have so many bytes; none for what cannot be read, or is not small."""
    contents: list[bytes | None] = []
    size_bytes = 0
    with OpenFolders(tree.root) as folders:
        for source in sources:
            data = None
            if source is not None:
                with contextlib.suppress(OSError):
                    data = _small(tree, folders, *source)
            size_bytes += len(data or b"")
            contents.append(data)
            if size_bytes >= most_bytes:
                break
    return contents


def _small(tree: Tree, folders: OpenFolders, path: str, row: Row | None) -> bytes | None:
    fd = tree.open_in(folders, path)
    try:
        seen = sighting(os.fstat(fd))
        is_small = seen.row.size_bytes <= CHUNK_BYTES
        return os.pread(fd, seen.row.size_bytes, 0) if is_small and (row is None or seen.row.same_file(row)) else None
    finally:
        os.close(fd)
