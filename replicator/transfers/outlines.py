"""The blocks of files on this node: what a peer that has a similar file needs to know."""

import os
from collections import OrderedDict
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from blake3 import blake3

from cluster.content_id import ContentHash
from replicator.core.cutting import Cutter, average_bytes
from replicator.core.recipe import DIGEST_BYTES, Block
from replicator.replica import Replica

_PIECE_BYTES: Final = 256 << 10  # fits into a core's cache
_STEP_BYTES: Final = 32 << 20
_MAX_REMEMBERED: Final = 1 << 17  # blocks: about 16 MB


class Outlines:
    """Reads files into blocks, and remembers the last. Used by the control thread alone."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._known: OrderedDict[tuple[str, int], tuple[Block, ...]] = OrderedDict()

    async def read(self, file: Path, content_id: str, size_bytes: int) -> AsyncGenerator[tuple[Block, ...]]:
        """The blocks of a file, some at a time, cut as content of `size_bytes` is; OSError when it cannot be read.

        To be closed (`aclosing`) by who stops before the end: a file is open meanwhile.
        A file with other content than its id says gives the blocks that it has; they are not remembered.
        """
        average = average_bytes(size_bytes)
        known = self._known.get((content_id, average))
        if known is not None:
            self._known.move_to_end((content_id, average))
            yield known
            return
        found: list[Block] = []
        fd = self._replica.tree.open(file)
        try:
            reading = _Reading(fd, average)
            while not reading.ended:
                blocks = await self._replica.blocking(reading.step)
                found += blocks
                yield blocks
        finally:
            os.close(fd)
        if reading.content.content_id() == content_id:
            self.remember(content_id, size_bytes, tuple(found))

    def remember(self, content_id: str, size_bytes: int, blocks: tuple[Block, ...]) -> None:
        """These are the blocks of a verified content, cut as content of that size is."""
        self._known[content_id, average_bytes(size_bytes)] = blocks
        while len(self._known) > 1 and sum(map(len, self._known.values())) > _MAX_REMEMBERED:
            self._known.popitem(last=False)


class _Reading:
    """A file on its way into blocks; its steps run in the pool."""

    def __init__(self, fd: int, average: int) -> None:
        self.content = ContentHash()
        self.ended = False
        self._fd = fd
        self._cutter = Cutter(average)
        self._block = blake3()
        self._block_bytes = 0

    def step(self) -> tuple[Block, ...]:
        """The blocks that end in the next part of the file."""
        blocks: list[Block] = []
        for _ in range(_STEP_BYTES // _PIECE_BYTES):
            piece = os.pread(self._fd, _PIECE_BYTES, self.content.size_bytes)
            if not piece:
                self.ended = True
                if self._block_bytes:
                    blocks.append(self._end_block())
                break
            self.content.update(piece)
            view, start = memoryview(piece), 0
            for cut in self._cutter.cuts(piece):
                self._take(view[start:cut])
                blocks.append(self._end_block())
                start = cut
            self._take(view[start:])
        return tuple(blocks)

    def _take(self, data: memoryview) -> None:
        self._block.update(data)
        self._block_bytes += len(data)

    def _end_block(self) -> Block:
        block = Block(self._block_bytes, self._block.digest(length=DIGEST_BYTES))
        self._block, self._block_bytes = blake3(), 0
        return block
