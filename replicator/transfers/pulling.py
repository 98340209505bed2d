"""Asks one peer for content: which blocks it is made of, and the bytes of some runs of it."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from replicator.core.recipe import BadBlocksError, Block, Run, check, unpack
from replicator.peers.connection import PeerError
from replicator.peers.exchange import Exchange
from replicator.peers.link import PeerLink
from replicator.peers.packing import unpacked
from replicator.peers.wire import MAX_SPANS, NOT_HERE, AskBlocks, Blocks, Data, Span, Want

_BATCH_BYTES: Final = 4 << 20
_BATCHES_AHEAD: Final = 2


class NotHereError(PeerError):
    """The peer says that it has not this content."""


Take = Callable[[int, bytes], Awaitable[None]]
"""Takes the bytes that stand at an offset of the content."""


async def ask_blocks(link: PeerLink, content_id: str, size_bytes: int, timeout_s: float) -> tuple[Block, ...]:
    """The blocks of a content of that size; PeerError when the peer has it not, or what it says cannot be."""
    found: list[Block] = []
    with link.exchange() as exchange:
        await exchange.send(AskBlocks(number=exchange.number, content_id=content_id, size_bytes=size_bytes))
        try:
            while True:
                answer = await exchange.answer(timeout_s)
                if not isinstance(answer, Blocks) or answer.problem:
                    raise PeerError(answer.problem if isinstance(answer, Blocks) else "answered something else")
                if not answer.blocks and not answer.last:
                    raise PeerError("sent an answer without blocks")
                found += unpack(answer.blocks)
                check(found, size_bytes, whole=answer.last)
                if answer.last:
                    return tuple(found)
        except BadBlocksError as error:
            raise PeerError(f"sent a block list that cannot be: {error}") from error


async def pull(link: PeerLink, content_id: str, runs: Sequence[Run], take: Take, timeout_s: float) -> None:
    """Have `take` called with the bytes of the runs, in their order; PeerError when the peer does not send them.

    It is a NotHereError when the peer has not that content. A few batches are asked for ahead, so that neither end
    waits, and no more is on its way than that.
    """
    asked: deque[tuple[contextlib.ExitStack, Exchange, tuple[Span, ...]]] = deque()
    with contextlib.ExitStack() as everything:
        for spans in batches(runs):
            one = everything.enter_context(contextlib.ExitStack())
            exchange = one.enter_context(link.exchange())
            await exchange.send(Want(number=exchange.number, content_id=content_id, spans=spans))
            asked.append((one, exchange, spans))
            if len(asked) > _BATCHES_AHEAD:
                await _receive(*asked.popleft(), take, timeout_s)
        while asked:
            await _receive(*asked.popleft(), take, timeout_s)


async def _receive(
    one: contextlib.ExitStack, exchange: Exchange, spans: tuple[Span, ...], take: Take, timeout_s: float
) -> None:
    with one:
        for span in spans:
            offset, end = span.offset, span.offset + span.size_bytes
            while offset < end:
                answer = await exchange.answer(timeout_s)
                if isinstance(answer, Data) and answer.problem == NOT_HERE:
                    raise NotHereError(NOT_HERE)
                if not isinstance(answer, Data) or answer.problem:
                    raise PeerError(answer.problem if isinstance(answer, Data) else "answered something else")
                data = await asyncio.to_thread(unpacked, answer.data) if answer.packed else answer.data
                if not 0 < len(data) <= end - offset:
                    raise PeerError("sent other bytes than were asked for")
                await take(offset, data)
                offset += len(data)


def batches(runs: Sequence[Run]) -> Iterator[tuple[Span, ...]]:
    """The spans that are asked for together: few bytes, and few spans."""
    batch: list[Span] = []
    room_bytes = _BATCH_BYTES
    for run in runs:
        offset, end = run.offset, run.offset + run.size_bytes
        while offset < end:
            span = Span(offset, min(room_bytes, end - offset))
            batch.append(span)
            offset += span.size_bytes
            room_bytes -= span.size_bytes
            if not room_bytes or len(batch) == MAX_SPANS:
                yield tuple(batch)
                batch, room_bytes = [], _BATCH_BYTES
    if batch:
        yield tuple(batch)
