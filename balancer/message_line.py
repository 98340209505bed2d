"""A line to another process of the balancer on this host: whole messages in their order, and open sockets with them.

Unix SOCK_SEQPACKET, so a message arrives whole or not at all, also where several processes share an end. One that the
kernel would not take goes as a file in memory. Whoever closes its end, or dies, is noticed by the other.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

import msgspec

T = TypeVar("T")

DESCRIPTORS_A_MESSAGE: Final = 200
"""The kernel takes 253 (SCM_MAX_FD)."""

_INLINE_BYTES: Final = 32 << 10
_MAX_MESSAGE_BYTES: Final = 16 << 20
_MAX_WAITING: Final = 20_000
_INLINE, _IN_FILE = b"\0", b"\1"

encode: Final = msgspec.msgpack.Encoder().encode
"""A message on the wire."""


def line_ends() -> tuple[socket.socket, socket.socket]:
    """Two ends of a new line."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class LineEndedError(Exception):
    """The other end is gone, or said what cannot be understood; the message says which."""


class MessageLine(Generic[T]):
    """One end; it owns the socket. What cannot be sent at once is sent as soon as it can be.

    `decode` makes a T of what the other end has said, ValueError and msgspec.MsgspecError when it cannot.
    """

    def __init__(self, connection: socket.socket, decode: Callable[[bytes], T]) -> None:
        connection.settimeout(0.0)
        self._connection = connection
        self._decode = decode
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._heard: asyncio.Future[None] | None = None
        self._why_over = ""
        self._loop = asyncio.get_running_loop()

    def send(self, message: msgspec.Struct, sockets: Sequence[socket.socket] = ()) -> None:
        """Send in order, without waiting; the other end gets copies of the sockets. On a line that ended: nothing."""
        if self._why_over:
            return
        payload = encode(message)
        descriptors = [os.dup(sock.fileno()) for sock in sockets]
        if len(payload) > _INLINE_BYTES:
            descriptors.append(_file_of(payload))
            payload = b""
        self._waiting.append(((_INLINE + payload) if payload else _IN_FILE, descriptors))
        if len(self._waiting) == 1:
            self._flush()
        elif len(self._waiting) > _MAX_WAITING:
            self._end("it takes nothing any more")

    async def receive(self) -> tuple[T, list[socket.socket]]:
        """The next message, and the sockets that came with it, which are the caller's; LineEndedError."""
        while not self._why_over:
            try:
                payload, descriptors, flags, _ = socket.recv_fds(
                    self._connection, _INLINE_BYTES + 1, DESCRIPTORS_A_MESSAGE + 1, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                await self._readable()
                continue
            except OSError as error:
                self._end(error.strerror or "it cannot be read")
                break
            if not payload:
                self._end("the other end is gone")
                break
            try:
                message = self._decode(_content(payload, descriptors, flags))
            except (ValueError, IndexError, OSError, msgspec.MsgspecError) as error:
                _close_all(descriptors)
                self._end(f"it said what cannot be understood: {error}")
                break
            return message, [socket.socket(fileno=number) for number in descriptors]
        raise LineEndedError(self._why_over)

    def close(self) -> None:
        """End it; what could not be sent yet is dropped."""
        self._end("it was closed here")

    async def _readable(self) -> None:
        self._heard = self._loop.create_future()
        self._loop.add_reader(self._connection, _set, self._heard)
        try:
            await self._heard
        finally:
            self._heard = None
            if not self._why_over:
                self._loop.remove_reader(self._connection)

    def _flush(self) -> None:
        while self._waiting:
            payload, descriptors = self._waiting[0]
            try:
                socket.send_fds(self._connection, [payload], descriptors)
            except BlockingIOError:
                self._loop.add_writer(self._connection, self._flush)
                return
            except OSError as error:
                self._end(error.strerror or "it cannot be sent to")
                return
            self._waiting.popleft()
            _close_all(descriptors)
        self._loop.remove_writer(self._connection)

    def _end(self, why: str) -> None:
        if self._why_over:
            return
        self._why_over = why
        self._loop.remove_reader(self._connection)
        self._loop.remove_writer(self._connection)
        self._connection.close()
        if self._heard is not None:
            _set(self._heard)
        while self._waiting:
            _close_all(self._waiting.popleft()[1])


def _set(heard: "asyncio.Future[None]") -> None:
    if not heard.done():
        heard.set_result(None)


def _file_of(payload: bytes) -> int:
    number = os.memfd_create("message", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(number), "wb") as file:
        file.write(payload)
    return number


def _content(payload: bytes, descriptors: list[int], flags: int) -> bytes:
    """What was sent; takes the file that it came in out of `descriptors`."""
    if flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC):
        raise ValueError("a message came without all that belongs to it")
    return _read_all(descriptors.pop()) if payload == _IN_FILE else payload[1:]


def _read_all(number: int) -> bytes:
    with os.fdopen(number, "rb") as file:
        size_bytes = os.fstat(number).st_size
        if size_bytes > _MAX_MESSAGE_BYTES:
            raise ValueError(f"a message of {size_bytes} bytes is above the limit")
        file.seek(0)
        return file.read(size_bytes)


def _close_all(descriptors: Sequence[int]) -> None:
    for number in descriptors:
        os.close(number)
