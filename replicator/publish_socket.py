"""Serves the publish protocol (cluster.publish) on the Unix socket of this node."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from cluster.frame import HEADER_BYTES, FrameTooLongError, frame, frame_length_bytes
from cluster.log import logger
from cluster.publish import SOCKET_NAME, Answer, Request, decode_request, encode

_AT_ONCE: Final = 256
_MODE: Final = 0o660

log = logger(__name__)


class PublishSocket:
    """The socket, and the requests under way. Used by the control thread alone."""

    def __init__(self, answer: Callable[[Request], Awaitable[Answer]]) -> None:
        self._answer = answer
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, state: Path) -> None:
        """Listen in the state folder, in place of a socket that an earlier run left; OSError passes."""
        path = state / SOCKET_NAME
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path)
        path.chmod(_MODE)

    async def stop(self) -> None:
        """Take no more requests, finish those under way, close."""
        if self._server is not None:
            self._server.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5.0)
        for writer in self._writers:
            writer.transport.abort()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        connection = asyncio.current_task()
        assert connection is not None, "asyncio runs every connection in a task"
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        try:
            while True:
                header = await reader.readexactly(HEADER_BYTES)
                request = decode_request(await reader.readexactly(frame_length_bytes(header)))
                await self._slots.acquire()
                task = asyncio.create_task(self._reply(request, writer))
                self._tasks.add(task)
                task.add_done_callback(self._finished)
        except (msgspec.MsgspecError, FrameTooLongError) as error:
            log.warning("a request cannot be understood; the connection is closed", why=str(error))
        except (EOFError, OSError):
            pass  # the ftpnode hung up; what it asked for is still carried out
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _reply(self, request: Request, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(request)
        except BaseException:
            writer.transport.abort()  # better than silence: the ftpnode must not wait for an answer that never comes
            raise
        with contextlib.suppress(OSError):
            if not writer.is_closing():
                writer.write(frame(encode(answer)))
                await writer.drain()

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled() and task.exception() is not None:
            log.error("a request failed", exc_info=task.exception())
