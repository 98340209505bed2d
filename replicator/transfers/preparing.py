"""Has a peer hold content before it is published: the asking side of a Prepare."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cluster.log import logger
from replicator.peers.connection import LOST, PeerError
from replicator.peers.exchange import Exchange
from replicator.peers.wire import CHUNK_BYTES, Begin, Chunk, Prepare, Prepared, PrepareSmall, SmallFile

if TYPE_CHECKING:
    from replicator.peers.link import PeerLink
    from replicator.transfers.outflow import Outflow

log = logger(__name__)


class Offer(msgspec.Struct, frozen=True):
    """Content that peers are asked to hold, of a file that will have this time where that is known.

    `outflows` brought its bytes to some of them while it arrived.
    """

    content_id: str
    size_bytes: int
    file: Path
    outflows: "Mapping[str, Outflow]" = {}
    mtime_ns: int | None = None


async def prepare(link: "PeerLink", path: str, offer: Offer | None, timeout_s: float, inline_bytes: int) -> None:
    """Have the peer hold the content, durable and hidden; PeerError, OSError or TimeoutError when it does not.

    What came to it while the upload arrived is not sent again. `timeout_s` bounds each step: the peer's answer, and
    each chunk on its way.
    """
    outflow = offer.outflows.get(link.name) if offer else None
    if offer is not None and outflow is not None:
        try:
            await outflow.seal(offer, timeout_s)
        except TimeoutError:
            raise
        except LOST as error:
            log.info("an upload is sent to a peer again", peer=link.name, path=path, why=str(error))
        else:
            return
    await _prepare(link, path, offer, timeout_s, inline_bytes)


async def prepare_small(link: "PeerLink", files: Sequence[SmallFile], timeout_s: float) -> None:
    """Have the peer hold all these contents, durable and hidden; PeerError, OSError or TimeoutError when it does not.

    `timeout_s` bounds its answer.
    """
    with link.exchange() as exchange:
        await exchange.send(PrepareSmall(number=exchange.number, files=tuple(files)))
        match await exchange.answer(timeout_s):
            case Prepared(problem=""):
                return
            case Prepared(problem=problem):
                raise PeerError(problem)
            case other:
                raise PeerError(f"answered {type(other).__name__} to PrepareSmall")


async def _prepare(link: "PeerLink", path: str, offer: Offer | None, timeout_s: float, inline_bytes: int) -> None:
    small = offer is not None and offer.size_bytes <= inline_bytes
    # It was written a moment ago and is in memory still: to hand it to a thread would cost more than to read it.
    data = offer.file.read_bytes() if offer and small else None
    with link.exchange() as exchange:
        number = exchange.number
        if offer is None:
            await exchange.send(Prepare(number=number, path=path))
        else:
            await exchange.send(
                Prepare(
                    number=number,
                    path=path,
                    content_id=offer.content_id,
                    size_bytes=offer.size_bytes,
                    data=data,
                    mtime_ns=offer.mtime_ns,
                )
            )
        while True:
            match await exchange.answer(timeout_s):
                case Begin(offset=offset) if offer is not None:
                    await _send_content(exchange, offer, offset, timeout_s)
                case Prepared(problem=problem):
                    if problem:
                        raise PeerError(problem)
                    return
                case other:
                    raise PeerError(f"answered {type(other).__name__} to Prepare")


async def _send_content(exchange: Exchange, offer: Offer, offset: int, timeout_s: float) -> None:
    fd = os.open(offer.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while offset < offer.size_bytes:
            data = await asyncio.to_thread(os.pread, fd, CHUNK_BYTES, offset)
            if not data:
                break
            offset += len(data)
            await asyncio.wait_for(exchange.send(Chunk(number=exchange.number, data=data)), timeout_s)
    finally:
        os.close(fd)
