"""Decides how content is put together from blocks that are here already, and what of it a peer must send."""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from replicator.core.cutting import MAX_BLOCKS

DIGEST_BYTES: Final = 16  # a wrong match would only cost a transfer: the content id is verified in the end
_PACKED: Final = struct.Struct(f">I{DIGEST_BYTES}s")


class Block(msgspec.Struct, frozen=True):
    """One block of a content, in its order."""

    size_bytes: int
    digest: bytes


class Run(msgspec.Struct, frozen=True):
    """`size_bytes` of the content from `offset` on: they stand at `at` in a source, or a peer (None) has them."""

    offset: int
    size_bytes: int
    source: int | None = None
    at: int = 0


class BadBlocksError(ValueError):
    """These bytes are no list of blocks of the content they are said to describe."""


def pack(blocks: Sequence[Block]) -> bytes:
    """Blocks as they go over the wire: length and digest of each."""
    return b"".join(_PACKED.pack(block.size_bytes, block.digest) for block in blocks)


def unpack(packed: bytes) -> list[Block]:
    """The blocks in bytes from a peer; BadBlocksError when they are none."""
    if len(packed) % _PACKED.size:
        raise BadBlocksError("the block list is torn")
    blocks = [Block(size_bytes, digest) for size_bytes, digest in _PACKED.iter_unpack(packed)]
    if any(block.size_bytes == 0 for block in blocks):
        raise BadBlocksError("a block is empty")
    return blocks


def check(blocks: Sequence[Block], size_bytes: int, *, whole: bool) -> None:
    """BadBlocksError when these are too many, or do not make up content of that size or, not whole, its beginning."""
    if len(blocks) > MAX_BLOCKS:
        raise BadBlocksError(f"more than {MAX_BLOCKS} blocks")
    made_up_bytes = sum(block.size_bytes for block in blocks)
    if made_up_bytes > size_bytes or (whole and made_up_bytes < size_bytes):
        raise BadBlocksError(f"the blocks do not make up the {size_bytes} bytes of the content")


def recipe(wanted: Sequence[Block], sources: Sequence[Sequence[Block]]) -> tuple[Run, ...]:
    """How to make the content of the `wanted` blocks: runs in its order, as long as they can be."""
    here: dict[Block, tuple[int, int]] = {}
    for number, blocks in enumerate(sources):
        at = 0
        for block in blocks:
            here.setdefault(block, (number, at))
            at += block.size_bytes
    return tuple(_joined(_runs(wanted, here)))


def missing_bytes(runs: Sequence[Run]) -> int:
    """How much of the content a peer must send."""
    return sum(run.size_bytes for run in runs if run.source is None)


def _runs(wanted: Sequence[Block], here: dict[Block, tuple[int, int]]) -> Iterator[Run]:
    offset = 0
    for block in wanted:
        source, at = here.get(block, (None, 0))
        yield Run(offset, block.size_bytes, source, at)
        offset += block.size_bytes


def _joined(runs: Iterator[Run]) -> Iterator[Run]:
    last: Run | None = None
    for run in runs:
        if last is not None and run.source == last.source and (
            run.source is None or run.at == last.at + last.size_bytes
        ):  # fmt: skip
            last = msgspec.structs.replace(last, size_bytes=last.size_bytes + run.size_bytes)
            continue
        if last is not None:
            yield last
        last = run
    if last is not None:
        yield last
