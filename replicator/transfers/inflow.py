"""Takes an upload that is still arriving on a peer, as its bytes come: hashed and flushed on the way.

So when its last byte is here little is left to be written, and the peer need not wait for longer than for a small
file. What is held in the end is like any other content that a peer had us prepare.
"""

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVarTuple

from cluster.content_id import ContentHash
from cluster.durable_file import replace_durably
from replicator.disk.partials import Growing, Owner
from replicator.disk.staging import Held
from replicator.peers.connection import Connection, PeerError
from replicator.peers.wire import WINDOW_BYTES, Arriving, Begin, Chunk, GivenUp, Same, Sealed, Taken
from replicator.replica import Replica

_Arguments = TypeVarTuple("_Arguments")
_FLUSH_BYTES: Final = 8 << 20
"""After so many bytes the disk is told to begin, so that the end waits for the last ones alone."""
_MOST_MESSAGES: Final = 4096


class CutError(Exception):
    """The client of the upload was lost, or the node that it came to."""


class Inflow:
    """One upload. Used by the control thread alone."""

    def __init__(self, message: Arriving, replica: Replica, connection: Connection, disk_reserve_bytes: int) -> None:
        self._number, self._base = message.number, message.base
        self._owner, self._keep_s = Owner(message.path, message.account), message.keep_s
        self._replica = replica
        self._connection = connection
        self._disk_reserve_bytes = disk_reserve_bytes
        self._messages: deque[Chunk | Same | Sealed | GivenUp] = deque()
        self._came = asyncio.Event()
        self._unwritten_bytes = self._written_bytes = 0
        self._content = ContentHash()
        self._flushed_bytes = 0
        self._flush: asyncio.Future[None] | None = None
        self._working: set[asyncio.Future[None]] = set()

    def put(self, message: Chunk | Same | Sealed | GivenUp) -> None:
        """The next message about it; PeerError when more comes than the window allows."""
        if isinstance(message, Chunk | Same):
            self._unwritten_bytes += len(message.data) if isinstance(message, Chunk) else message.size_bytes
            if self._unwritten_bytes > WINDOW_BYTES:
                raise PeerError("sent more of an upload than may be on its way")
        if len(self._messages) >= _MOST_MESSAGES:
            raise PeerError("sent an upload in more pieces than may be on their way")
        self._messages.append(message)
        self._came.set()

    async def run(self) -> bool:
        """Take it to its end: whether it is held, or was given up. PeerError or OSError when it cannot be held."""
        self._check_room()
        staged = self._replica.staging.growing_file()
        fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        base_fd = self._replica.sources.open(self._base) if self._base else None
        partials, keep_s = self._replica.staging.partials, 0.0
        growing = Growing(self._owner, staged, lambda: self._written_bytes)
        partials.growing.append(growing)
        try:
            return await self._take(fd, base_fd, staged)
        except CutError:
            keep_s = self._keep_s
            return False
        except asyncio.CancelledError:  # the connection was lost
            keep_s = self._keep_s
            raise
        finally:
            while self._working:  # or a thread might write into another file that gets the same descriptor
                await asyncio.wait(self._working)
            os.close(fd)
            if base_fd is not None:
                os.close(base_fd)
            if keep_s:
                await partials.keep(self._replica, staged, self._owner, keep_s)
            staged.unlink(missing_ok=True)
            partials.growing.remove(growing)

    async def _take(self, fd: int, base_fd: int | None, staged: Path) -> bool:
        await self._connection.send(Begin(number=self._number, offset=0, has_base=base_fd is not None))
        while True:
            match await self._next():
                case Chunk(data=data):
                    await self._written(fd, len(data), self._work(_append, fd, data, self._content))
                case Same(size_bytes=size_bytes):
                    if base_fd is None:
                        raise PeerError("sent what is the same in a file that is not here")
                    await self._written(fd, size_bytes, self._work(_repeat, fd, base_fd, size_bytes, self._content))
                case Sealed() as sealed:
                    await self._hold(fd, staged, sealed)
                    return True
                case GivenUp(cut=cut):
                    if cut:
                        raise CutError
                    return False

    async def _next(self) -> Chunk | Same | Sealed | GivenUp:
        while not self._messages:
            self._came.clear()
            await self._came.wait()
        return self._messages.popleft()

    async def _written(self, fd: int, size_bytes: int, writing: "asyncio.Future[None]") -> None:
        await asyncio.shield(writing)
        self._unwritten_bytes -= size_bytes
        self._written_bytes += size_bytes
        await self._connection.send(Taken(number=self._number, upto=self._content.size_bytes))
        is_due = self._content.size_bytes - self._flushed_bytes >= _FLUSH_BYTES
        if is_due and (self._flush is None or self._flush.done()):
            if self._flush is not None:
                self._flush.result()
            self._check_room()
            self._flushed_bytes = self._content.size_bytes
            self._flush = self._work(os.fdatasync, fd)

    async def _hold(self, fd: int, staged: Path, sealed: Sealed) -> None:
        found = self._content.content_id()
        if found != sealed.content_id or self._content.size_bytes != sealed.size_bytes:
            raise PeerError("the content is not what its id says")
        if self._flush is not None:
            await asyncio.shield(self._flush)  # the kernel tells a failure to write once, to whoever asks first
        held = Held(found, self._replica.staging.new_file(found), is_synced=sealed.mtime_ns is not None)
        try:
            mode = self._replica.tree.file_mode()
            await asyncio.shield(self._work(_keep, fd, mode, sealed.mtime_ns, staged, held.file))
        except OSError:
            held.file.unlink(missing_ok=True)
            raise
        self._replica.staging.add(held)

    def _work(self, work: Callable[[*_Arguments], None], *arguments: *_Arguments) -> "asyncio.Future[None]":
        """Disk work on the open file, that goes on when the connection is lost meanwhile."""
        working = asyncio.ensure_future(self._replica.blocking(work, *arguments))
        self._working.add(working)
        working.add_done_callback(self._worked)
        return working

    def _worked(self, working: "asyncio.Future[None]") -> None:
        self._working.discard(working)
        if not working.cancelled():
            working.exception()  # it was told to whoever waits, or nobody cares any more

    def _check_room(self) -> None:
        if not self._replica.staging.make_room(self._disk_reserve_bytes):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _append(fd: int, data: bytes, content: ContentHash) -> None:
    content.update(data)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _repeat(fd: int, base_fd: int, size_bytes: int, content: ContentHash) -> None:
    data = os.pread(base_fd, size_bytes, content.size_bytes)
    if len(data) < size_bytes:
        raise PeerError("sent more that is the same than there is")
    _append(fd, data, content)


def _keep(fd: int, mode: int, mtime_ns: int | None, staged: Path, held: Path) -> None:
    if mtime_ns is not None:
        os.fchmod(fd, mode)
        os.utime(fd, ns=(mtime_ns, mtime_ns))
    os.fsync(fd)
    replace_durably(staged, held)
