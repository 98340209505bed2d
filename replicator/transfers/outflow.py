"""Brings an upload to one peer while it arrives here: reads the staged file as it grows, and sends no more than taken.

A peer that is slow has its bytes later, from the file: nothing is kept in memory for it, and the upload never waits.
What the file that it replaces has in the same place is not sent: a peer that has that file is told that it is the same.
"""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from cluster.log import logger
from replicator.disk.partials import Owner
from replicator.disk.sources import Sources
from replicator.peers.connection import LOST, PeerError
from replicator.peers.wire import (
    CHUNK_BYTES,
    WINDOW_BYTES,
    Arriving,
    Begin,
    Chunk,
    GivenUp,
    Prepared,
    Same,
    Sealed,
    Taken,
)
from replicator.transfers.preparing import Offer

if TYPE_CHECKING:
    from replicator.peers.exchange import Exchange
    from replicator.peers.link import PeerLink
    from replicator.peers.wire import Answered

_LOOK: Final = Taken(number=0, upto=0)
"""Among the answers of the peer: look again, something has happened here."""

_going_on: Final[set["asyncio.Task[None]"]] = set()  # the loop holds tasks weakly

log = logger(__name__)


class Upload(msgspec.Struct, frozen=True):
    """An upload that is arriving: whose, the file that grows, how long it is kept if it is cut.

    `base` is the content of the file that it replaces, where there is one.
    """

    owner: Owner
    staged: Path
    keep_s: float
    base: str | None


class Outflow:
    """One upload on its way to one peer. Used by the control thread alone."""

    def __init__(self, link: "PeerLink", upload: Upload, sources: Sources) -> None:
        """OSError when the staged file cannot be read."""
        self.link = link
        self.connected_s = link.connected_s
        self._upload = upload
        self._fd = os.open(upload.staged, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._base_fd = sources.open(upload.base) if upload.base else None
        self._peer_has_base = False
        self._size_bytes = 0
        self._offer: Offer | None = None
        self._is_given_up = self._is_cut = self._is_told = False
        self._sent_bytes = self._upto_bytes = 0  # up to there the peer takes bytes now
        self._exchange: Exchange | None = None
        self._running = asyncio.create_task(self._run())
        _going_on.add(self._running)
        self._running.add_done_callback(self._ended)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whichever way."""
        return self._running.done()

    def grew(self, size_bytes: int) -> None:
        """The staged file has so many bytes."""
        self._size_bytes = size_bytes
        self._look_again()

    def give_up(self, *, cut: bool = False) -> None:
        """Nothing will come of it, unless it is sealed already; where it was cut the peer keeps what it has."""
        self._is_given_up, self._is_cut = self._offer is None, cut
        self._look_again()

    async def seal(self, offer: Offer, timeout_s: float) -> None:
        """Have the peer hold what came, which is the offer; PeerError, OSError or TimeoutError when it does not.

        TimeoutError when nothing has moved for `timeout_s`; then the peer is not waited for until it acts.
        """
        self._offer, self._size_bytes = offer, offer.size_bytes
        self._look_again()
        before = None
        while not self._running.done():
            now = (self._sent_bytes, self._upto_bytes, self._is_told)
            if now == before and self._exchange is not None:
                self._exchange.is_late(timeout_s)
                raise TimeoutError
            before = now
            await asyncio.wait((self._running,), timeout=timeout_s)
        self._running.result()

    async def _run(self) -> None:
        try:
            with self.link.exchange() as self._exchange:
                number, owner = self._exchange.number, self._upload.owner
                await self._exchange.send(
                    Arriving(
                        number=number,
                        path=owner.path,
                        account=owner.account,
                        keep_s=self._upload.keep_s,
                        base=self._upload.base if self._base_fd is not None else None,
                    )
                )
                try:
                    while not await self._go_on(self._exchange):
                        pass
                except LOST:
                    if self.link.connected_s == self.connected_s:
                        await self._exchange.send(GivenUp(number=number, cut=self._is_cut))
                    raise
        finally:
            self._exchange = None
            os.close(self._fd)
            if self._base_fd is not None:
                os.close(self._base_fd)

    async def _go_on(self, exchange: "Exchange") -> bool:
        """One step: send some bytes or the end, or hear what has happened; whether the peer holds all of it."""
        if self._is_given_up:
            raise PeerError("given up")
        if self._sent_bytes > self._size_bytes:
            raise PeerError("the staged file has become shorter")
        room_bytes = min(CHUNK_BYTES, self._size_bytes - self._sent_bytes, self._upto_bytes - self._sent_bytes)
        offer = self._offer
        if room_bytes > 0 and not exchange.has_answers:
            base_fd = self._base_fd if self._peer_has_base else None
            data, is_same = await asyncio.to_thread(_read, self._fd, base_fd, room_bytes, self._sent_bytes)
            if not data:
                raise PeerError("the staged file is shorter than was said")
            number, size_bytes = exchange.number, len(data)
            await exchange.send(
                Same(number=number, size_bytes=size_bytes) if is_same else Chunk(number=number, data=data)
            )
            self._sent_bytes += size_bytes
            return False
        if offer is not None and self._sent_bytes == offer.size_bytes and not self._is_told:
            await exchange.send(
                Sealed(
                    number=exchange.number,
                    content_id=offer.content_id,
                    size_bytes=offer.size_bytes,
                    mtime_ns=offer.mtime_ns,
                )
            )
            self._is_told = True
        return self._hear(await exchange.unhurried_answer())

    def _hear(self, answer: "Answered") -> bool:
        match answer:
            case Begin(has_base=has_base):
                self._upto_bytes, self._peer_has_base = WINDOW_BYTES, has_base
            case Taken(upto=upto) if answer is not _LOOK:
                self._upto_bytes = upto + WINDOW_BYTES
            case Prepared(problem=problem):
                if problem or not self._is_told:
                    raise PeerError(problem or "held an upload before its end")
                return True
            case _:
                pass
        return False

    def _ended(self, running: "asyncio.Task[None]") -> None:
        _going_on.discard(running)
        error = None if running.cancelled() else running.exception()
        if error is not None and not isinstance(error, LOST):
            log.error("an upload is not brought to a peer", peer=self.link.name, exc_info=error)
        elif error is not None and not self._is_given_up:
            log.info(
                "an upload is not brought to a peer", peer=self.link.name, path=self._upload.owner.path, why=str(error)
            )

    def _look_again(self) -> None:
        if self._exchange is not None and not self._exchange.has_answers:
            self._exchange.came(_LOOK)


def _read(fd: int, base_fd: int | None, size_bytes: int, offset: int) -> tuple[bytes, bool]:
    """The next bytes, and whether the base has the same there."""
    data = os.pread(fd, size_bytes, offset)
    return data, base_fd is not None and os.pread(base_fd, size_bytes, offset)[: len(data)] == data
