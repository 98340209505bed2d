"""Holds what a peer has this node prepare: content, staged, verified and durable, hidden until its head arrives."""

import asyncio
import errno
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from cluster.content_id import content_id_of
from cluster.log import logger
from replicator.disk.marker import WrongRootError
from replicator.disk.new_files import NewFile, write_each, write_soon
from replicator.disk.staging import Held
from replicator.not_yet import NotYetError
from replicator.peers.connection import Connection, PeerError
from replicator.peers.wire import (
    Arriving,
    Begin,
    Busy,
    Chunk,
    GivenUp,
    Prepare,
    Prepared,
    PrepareSmall,
    Same,
    Sealed,
)
from replicator.replica import Replica
from replicator.transfers.inflow import Inflow
from replicator.transfers.part import Part
from replicator.transfers.space import require_space

_CHUNK_TIMEOUT_S: Final = 60.0
_CHUNKS_AHEAD: Final = 8
_MAX_PREPARES: Final = 512
_MAX_SMALL_PREPARES: Final = 16
_MAX_INFLOWS: Final = 128
_BUSY_S: Final = 0.5

log = logger(__name__)


class Holding:
    """The prepares of one connection. Used by the control thread alone."""

    def __init__(self, replica: Replica, connection: Connection, disk_reserve_bytes: int) -> None:
        self._replica = replica
        self._connection = connection
        self._disk_reserve_bytes = disk_reserve_bytes
        self._chunks: dict[int, asyncio.Queue[bytes]] = {}
        self._inflows: dict[int, Inflow] = {}
        self._small: set[int] = set()

    def begin(self, message: Prepare | PrepareSmall | Arriving, peer: str) -> Coroutine[Any, Any, None]:
        """Make room for the bytes of one; what carries it out and answers it, or only says that there are too many."""
        number = message.number
        kinds = {
            Prepare: (self._chunks, _MAX_PREPARES),
            PrepareSmall: (self._small, _MAX_SMALL_PREPARES),
            Arriving: (self._inflows, _MAX_INFLOWS),
        }
        under_way, most = kinds[type(message)]
        if len(under_way) >= most or any(number in numbers for numbers, _ in kinds.values()):
            return self._connection.send(Prepared(number=number, problem="too many uploads at once"))
        match message:
            case Prepare():
                self._chunks[number] = asyncio.Queue(_CHUNKS_AHEAD)
                return self._prepare(message, peer)
            case PrepareSmall():
                self._small.add(number)
                return self._prepare_small(message, peer)
            case Arriving():
                self._inflows[number] = Inflow(message, self._replica, self._connection, self._disk_reserve_bytes)
                return self._take_in(message, peer)

    async def take(self, message: Chunk | Same | Sealed | GivenUp) -> None:
        """The next message for what is under way; others are dropped, for its trouble was told already."""
        inflow = self._inflows.get(message.number)
        if inflow is not None:
            inflow.put(message)
        elif isinstance(message, Chunk) and message.number in self._chunks:
            await self._chunks[message.number].put(message.data)

    async def _take_in(self, message: Arriving, peer: str) -> None:
        """Take an upload that arrives to its end, and answer unless it was given up."""
        problem = ""
        try:
            self._replica.marker.check()
            if not await self._inflows[message.number].run():
                return
        except (OSError, WrongRootError, PeerError) as error:
            problem = in_a_line(error)
            log.warning("cannot hold an upload that arrives", peer=peer, path=message.path, why=problem)
        finally:
            del self._inflows[message.number]
        await self._connection.send(Prepared(number=message.number, problem=problem))

    async def _prepare(self, message: Prepare, peer: str) -> None:
        problem = ""
        try:
            self._replica.marker.check()
            if message.content_id is not None and not await self._is_here(message.path, message.content_id):
                held = await self._build(message, message.content_id, peer) if message.data is None else None
                if held is None:
                    held = await self._stage(message, message.content_id)
                self._replica.staging.add(held)
        except (TimeoutError, OSError, NotYetError, WrongRootError, PeerError) as error:
            problem = in_a_line(error)
            log.warning("cannot hold a copy", peer=peer, path=message.path, why=problem)
        finally:
            del self._chunks[message.number]
        await self._connection.send(Prepared(number=message.number, problem=problem))

    async def _prepare_small(self, message: PrepareSmall, peer: str) -> None:
        problem = ""
        try:
            self._replica.marker.check()
            await self._stage_small(message)
        except (OSError, NotYetError, WrongRootError, PeerError) as error:
            problem = in_a_line(error)
            log.warning("cannot hold copies", peer=peer, files=len(message.files), why=problem)
        finally:
            self._small.discard(message.number)
        await self._connection.send(Prepared(number=message.number, problem=problem))

    async def _stage_small(self, message: PrepareSmall) -> None:
        replica, staging = self._replica, self._replica.staging
        size_bytes = sum(len(file.data) for file in message.files)
        require_space(staging, size_bytes, self._disk_reserve_bytes)
        if any(content_id_of(file.data) != file.content_id for file in message.files):
            raise PeerError("the content is not what its id says")
        mode = replica.tree.file_mode()
        pieces = [NewFile(staging.new_file(file.content_id), file.data, file.mtime_ns, mode) for file in message.files]
        try:
            # As in `_stage`: their names in staging are not made durable, for only a Commit makes a copy of them.
            for trouble in filter(None, await replica.lanes.run_all(write_soon, pieces)):
                raise trouble  # noqa: TRY301 the files that were written go too
        except BaseException:
            for piece in pieces:
                piece.file.unlink(missing_ok=True)
            raise
        for file, piece in zip(message.files, pieces, strict=True):
            staging.add(Held(file.content_id, piece.file, is_synced=True))

    async def _is_here(self, path: str, content_id: str) -> bool:
        row = self._replica.index.place(path).row
        return row is not None and row.content_id == content_id and await self._replica.is_as_recorded(path)

    async def _build(self, message: Prepare, content_id: str, peer: str) -> Held | None:
        """The content by what is similar here, if the peer gives what is missing over the other connection."""
        steps = asyncio.Event()
        building = asyncio.ensure_future(
            self._replica.build(peer, message.path, content_id, message.size_bytes, steps.set)
        )
        try:
            while not building.done():
                await asyncio.wait((building,), timeout=_BUSY_S)
                if steps.is_set() and not building.done():
                    steps.clear()
                    await self._connection.send(Busy(number=message.number))
            return building.result()
        except (OSError, NotYetError) as error:
            log.info("taken as a whole", peer=peer, path=message.path, why=in_a_line(error))
            return None
        finally:
            building.cancel()

    async def _stage(self, message: Prepare, content_id: str) -> Held:
        replica = self._replica
        if not replica.staging.make_room(message.size_bytes + self._disk_reserve_bytes):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        staged = replica.staging.new_file(content_id)
        try:
            if message.data is not None:
                found: str = content_id_of(message.data)
                # Its name in staging is not made durable: a Commit gives it another, and only that counts as a copy.
                if found == content_id:
                    piece = NewFile(staged, message.data, message.mtime_ns, replica.tree.file_mode())
                    await replica.lanes.run(write_each, piece)
            else:
                await self._connection.send(Begin(number=message.number, offset=0))
                found = await self._receive(message, staged)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        if found != content_id:
            staged.unlink(missing_ok=True)
            raise PeerError("the content is not what its id says")
        return Held(content_id, staged, is_synced=message.data is not None and message.mtime_ns is not None)

    async def _receive(self, message: Prepare, staged: Path) -> str:
        chunks, blocking = self._chunks[message.number], self._replica.blocking
        part = await blocking(Part, staged)
        try:
            while part.content.size_bytes < message.size_bytes:
                data = await asyncio.wait_for(chunks.get(), _CHUNK_TIMEOUT_S)
                if not data:
                    raise PeerError("gave up")
                await blocking(part.take, part.content.size_bytes, data)
            return await blocking(part.end)
        finally:
            part.close()


def in_a_line(error: BaseException) -> str:
    """What went wrong, for a peer."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__
