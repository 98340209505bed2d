"""A data connection on a plain non-blocking socket, with or without TLS. How it ends is told and kept apart."""

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import sys
import termios
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from balancer.control_leg import keep_alive
from balancer.spool import FilePart
from balancer.tls_pump import TlsPump, TruncatedError

CHUNK_BYTES: Final = 1 << 20
_TLS_CHUNK_BYTES: Final = 256 << 10
_GOODBYE_S: Final = 1.0
_RESET: Final = struct.pack("ii", 1, 0)
_LINGER: Final = struct.pack("ii", 0, 0)
"""socket(7), SO_LINGER: close with RST at once, or with FIN when all is sent."""

_NOTHING_CAME: Final = "nothing came for too long"
_SPLICE: Final = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


class SourceCutError(Exception):
    """What should have sent data stopped without saying that this was all."""


class SinkLostError(Exception):
    """What should have taken data takes no more."""


class SpoolFullError(Exception):
    """The spool's disk takes no more."""


class Pipe:
    """A pipe for splicing; empty between two uses."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Over the user's limit for pipes the kernel keeps the usual 64 KiB: slower, and as good.
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, CHUNK_BYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.read_end)
        os.close(self.write_end)


class DataLeg:
    """One data connection; it owns the socket. Nothing for `patience_s` counts as cut or lost.

    A `patient` one may have nothing to receive for ever.
    """

    def __init__(self, sock: socket.socket, patience_s: float, *, patient: bool = False) -> None:
        self.sock = sock
        self._patience_s = patience_s
        self._receive_patience_s = None if patient else patience_s
        self._tls: TlsPump | None = None
        self._unread = b""
        self._unsent = memoryview(b"")
        sock.settimeout(0.0)
        # close_notify must not wait for the acknowledgement of the record before it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(sock)

    @property
    def plain(self) -> bool:
        """Whether the bytes on the wire are the data themselves."""
        return self._tls is None

    @property
    def unsent_bytes(self) -> int:
        """What the other end's host has not acknowledged yet."""
        return int.from_bytes(fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0" * 4), sys.byteorder)

    @property
    def client_certificate(self) -> bytes:
        """The certificate (DER) that the other end has shown under TLS and holds the key of; empty without one."""
        return self._tls.client_certificate if self._tls is not None else b""

    async def secure(self, pump: TlsPump) -> bool:
        """Shake hands; whether that resumed an earlier TLS session. TruncatedError, OSError."""
        self._tls = pump
        while not self._tls.shake_hands():
            await self._flush()
            self._tls.feed(await self._receive_raw())
        if not self._tls.owes_only_tickets:
            await self._flush()
        return self._tls.was_resumed

    async def receive(self) -> bytes:
        """The next bytes; empty at the good end (FIN, or close_notify under TLS); SourceCutError."""
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        try:
            if self._tls is None:
                return await self._receive_raw()
            while (decrypted := self._tls.read()) is None:
                self._tls.feed(await self._receive_raw())
        except (OSError, TruncatedError) as error:
            raise SourceCutError(str(error) or _NOTHING_CAME) from error
        return decrypted

    async def send(self, data: bytes | memoryview) -> None:
        """Send all of `data`; SinkLostError. When this is cancelled, the next `send` goes on where it stopped."""
        try:
            await self._flush()
            if self._tls is None:
                self._unsent = memoryview(data)
            else:
                self._tls.write(data)
            await self._flush()
        except (OSError, TruncatedError) as error:
            raise SinkLostError(str(error) or "takes nothing for too long") from error

    async def receive_into(self, memory: memoryview) -> int:
        """Put what comes into `memory`; the count, 0 at the good end; SourceCutError."""
        if self._tls is not None:
            data = await self._receive_at_most(len(memory))
            memory[: len(data)] = data
            return len(data)
        while True:
            try:
                return self.sock.recv_into(memory)
            except BlockingIOError:
                await self._receivable()
            except OSError as error:
                raise SourceCutError(str(error)) from error

    async def receive_into_file(self, room: FilePart, pipe: Pipe) -> int:
        """Put what comes into an open file; the count, 0 at the good end; SourceCutError, SpoolFullError."""
        if self._tls is not None:
            data = await self._receive_at_most(room.count_bytes)
            _write_all(room, data)
            return len(data)
        try:
            count = await self.fill(pipe, room.count_bytes)
        except OSError as error:
            raise SourceCutError(str(error) or _NOTHING_CAME) from error
        moved = 0
        try:
            while moved < count:
                moved += os.splice(pipe.read_end, room.file, count - moved, offset_dst=room.offset_bytes + moved)
        except OSError as error:
            raise SpoolFullError(str(error)) from error
        return count

    async def send_part(self, part: memoryview | FilePart) -> int:
        """Send the beginning of what a spool holds; how much went; SinkLostError."""
        if self._tls is not None:
            data = part[:_TLS_CHUNK_BYTES] if isinstance(part, memoryview) else _read_part(part)
            await self.send(data)
            return len(data)
        while True:
            try:
                if isinstance(part, memoryview):
                    return self.sock.send(part)
                count_bytes = min(part.count_bytes, CHUNK_BYTES)
                return os.sendfile(self.sock.fileno(), part.file, part.offset_bytes, count_bytes)
            except BlockingIOError:
                await self._sendable()
            except OSError as error:
                raise SinkLostError(str(error)) from error

    async def fill(self, pipe: Pipe, room_bytes: int) -> int:
        """Splice what is there into an empty pipe; the count, 0 at the end of the stream; OSError."""
        while True:
            try:
                return os.splice(self.sock.fileno(), pipe.write_end, min(room_bytes, CHUNK_BYTES), flags=_SPLICE)
            except BlockingIOError:
                await _ready(self.sock, self._receive_patience_s, write=False)

    async def drain(self, pipe: Pipe, count_bytes: int) -> int:
        """Splice from a pipe into the connection; how much went; SinkLostError."""
        while True:
            try:
                return os.splice(pipe.read_end, self.sock.fileno(), count_bytes, flags=_SPLICE)
            except BlockingIOError:
                await self._sendable()
            except OSError as error:
                raise SinkLostError(str(error)) from error

    async def finish(self) -> None:
        """Say that this was all (close_notify, FIN), and close; SinkLostError when the other end did not take it."""
        try:
            await self._flush()
            if self._tls is not None:
                self._tls.say_goodbye()
                await self._flush()
            self._say_fin()
            if self._tls is not None:
                await self._await_goodbye()
        except OSError as error:
            raise SinkLostError(str(error) or "takes nothing for too long") from error
        finally:
            self.close()

    def half_close(self) -> None:
        """Say that this was all (FIN), and go on to receive; SinkLostError."""
        try:
            self._say_fin()
        except OSError as error:
            raise SinkLostError(str(error)) from error

    def reset_unless_finished(self) -> None:
        """Have the kernel reset the connection however it ends before it is said that this was all.

        So, too, where this process is killed: a FIN would make half an upload a whole one.
        """
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def _say_fin(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        self.sock.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Reset the connection (RST), so that the other end knows that this was not all."""
        if self.sock.fileno() >= 0:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._close()

    def close(self) -> None:
        """Close without RST and, under TLS, without close_notify: as servers end a transfer that failed with 426."""
        if self.sock.fileno() >= 0:
            self._close()

    def _close(self) -> None:
        # A task may still wait on the descriptor, and its number may be another socket's a moment later.
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.sock.fileno())
        loop.remove_writer(self.sock.fileno())
        self.sock.close()

    async def _await_goodbye(self) -> None:
        # Closing with the client's close_notify unread would send RST, and that can overtake what it has not read.
        with contextlib.suppress(OSError):
            while await asyncio.wait_for(self._receive_raw(), _GOODBYE_S):
                pass

    async def _receive_raw(self) -> bytes:
        while True:
            try:
                return self.sock.recv(_TLS_CHUNK_BYTES)
            except BlockingIOError:
                await _ready(self.sock, self._receive_patience_s, write=False)

    async def _flush(self) -> None:
        while True:
            if not self._unsent and self._tls is not None:
                self._unsent = memoryview(self._tls.take())
            if not self._unsent:
                return
            try:
                count = self.sock.send(self._unsent)
            except BlockingIOError:
                await _ready(self.sock, self._patience_s, write=True)
            else:
                self._unsent = self._unsent[count:]

    async def _receive_at_most(self, count_bytes: int) -> bytes:
        data = await self.receive()
        self._unread = data[count_bytes:]
        return data[:count_bytes]

    async def _receivable(self) -> None:
        try:
            await _ready(self.sock, self._receive_patience_s, write=False)
        except OSError as error:
            raise SourceCutError(_NOTHING_CAME) from error

    async def _sendable(self) -> None:
        try:
            await _ready(self.sock, self._patience_s, write=True)
        except OSError as error:
            raise SinkLostError("takes nothing for too long") from error


async def relay(source: DataLeg, sink: DataLeg, count: Callable[[int], None]) -> None:
    """Pass everything on until the source ends well; SourceCutError, SinkLostError.

    `count` hears of bytes as soon as the sink's stream is committed to them. The sink is left open.
    """
    if not (source.plain and sink.plain):
        await pass_on(source, sink, count)
        return
    with Pipe() as pipe:
        while True:
            try:
                waiting = await source.fill(pipe, CHUNK_BYTES)
            except OSError as error:
                raise SourceCutError(str(error) or _NOTHING_CAME) from error
            if not waiting:
                return
            while waiting:
                went = await sink.drain(pipe, waiting)
                count(went)
                waiting -= went
            # Let the other sessions have their turn even when neither side ever has to wait.
            await asyncio.sleep(0)


async def pass_on(source: DataLeg, sink: DataLeg, count: Callable[[int], None]) -> None:
    """As `relay`, for a few bytes now and then, or with TLS on a side: nothing is held while nothing comes."""
    while data := await source.receive():
        count(len(data))
        await sink.send(data)


def _read_part(part: FilePart) -> bytes:
    return os.pread(part.file, min(part.count_bytes, _TLS_CHUNK_BYTES), part.offset_bytes)


def _write_all(room: FilePart, data: bytes) -> None:
    view, offset_bytes = memoryview(data), room.offset_bytes
    try:
        while view:
            count = os.pwrite(room.file, view, offset_bytes)
            view, offset_bytes = view[count:], offset_bytes + count
    except OSError as error:
        raise SpoolFullError(str(error)) from error


async def _ready(sock: socket.socket, patience_s: float | None, *, write: bool) -> None:
    """Wait until the socket can be read or written; TimeoutError (an OSError) after `patience_s`."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    descriptor = sock.fileno()
    add(descriptor, _wake, ready)
    try:
        async with asyncio.timeout(patience_s):
            await ready
    finally:
        if sock.fileno() >= 0:
            remove(descriptor)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
