"""Serves the publish protocol (cluster.publish) on the Unix socket of this node."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
from typing_extensions import override

from cluster.frame import FrameReader, FrameTooLongError, frame
from cluster.log import logger
from cluster.publish import SOCKET_NAME, Answer, Request, decode_request, encode

_AT_ONCE: Final = 256
_MODE: Final = 0o660

log = logger(__name__)


class PublishSocket:
    """The socket, and the requests under way. Used by the control thread alone."""

    def __init__(self, answer: Callable[[Request], Awaitable[Answer]]) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[Request, _Asker]] = deque()
        self._askers: set[_Asker] = set()
        self._server: asyncio.Server | None = None

    async def start(self, state: Path) -> None:
        """Listen in the state folder, in place of a socket that an earlier run left; OSError passes."""
        path = state / SOCKET_NAME
        path.unlink(missing_ok=True)
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: _Asker(self), path)
        path.chmod(_MODE)

    async def stop(self) -> None:
        """Take no more requests, finish those under way, close."""
        if self._server is not None:
            self._server.close()
        self._waiting.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5.0)
        for asker in self._askers:
            asker.hang_up()

    def came(self, asker: "_Asker") -> None:
        """An ftpnode has connected."""
        self._askers.add(asker)

    def left(self, asker: "_Asker") -> None:
        """It hung up; what it asked for is still carried out."""
        self._askers.discard(asker)

    def asked(self, request: Request, asker: "_Asker") -> None:
        """Carry out a request; while there are too many, it waits and no more are read."""
        if len(self._tasks) < _AT_ONCE:
            self._begin(request, asker)
        else:
            self._waiting.append((request, asker))
            for each in self._askers:
                each.listen(are_too_many=True)

    def _begin(self, request: Request, asker: "_Asker") -> None:
        task = asyncio.get_running_loop().create_task(self._reply(request, asker))
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    async def _reply(self, request: Request, asker: "_Asker") -> None:
        try:
            answer = await self._answer(request)
        except BaseException:
            asker.hang_up()  # better than silence: the ftpnode must not wait for an answer that never comes
            raise
        asker.tell(answer)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a request failed", exc_info=task.exception())
        if self._waiting:
            self._begin(*self._waiting.popleft())
            if not self._waiting:
                for each in self._askers:
                    each.listen(are_too_many=False)


class _Asker(asyncio.Protocol):
    """One connection of an ftpnode; who does not read its answers is not listened to."""

    def __init__(self, socket: PublishSocket) -> None:
        self._socket = socket
        self._frames = FrameReader()
        self._untold: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._are_too_many = self._is_behind = False

    def listen(self, *, are_too_many: bool) -> None:
        """Read on, unless there are too many requests."""
        self._are_too_many = are_too_many
        self._listen()

    def tell(self, answer: Answer) -> None:
        """Send an answer, if there still is anybody; those of one turn of the loop go out together."""
        if not self._untold:
            asyncio.get_running_loop().call_soon(self._flush)
        self._untold.append(frame(encode(answer)))

    def _flush(self) -> None:
        untold, self._untold = self._untold, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(untold))

    def hang_up(self) -> None:
        """Drop the connection, when what there is to tell was told."""
        self._flush()
        if self._transport is not None:
            self._transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "a stream socket has no other"
        self._transport = transport
        self._socket.came(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._socket.left(self)

    @override
    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                self._socket.asked(decode_request(payload), self)
        except (msgspec.MsgspecError, FrameTooLongError) as error:
            log.warning("a request cannot be understood; the connection is closed", why=str(error))
            self.hang_up()

    @override
    def pause_writing(self) -> None:
        self._is_behind = True
        self._listen()

    @override
    def resume_writing(self) -> None:
        self._is_behind = False
        self._listen()

    def _listen(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._are_too_many or self._is_behind:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
