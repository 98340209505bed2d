"""Takes connections on an address until it is closed.

asyncio's own server forgets a connection that it was just accepting when it is closed: it stays open, and nobody's.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """Listens from the beginning; port 0 is any. Each connection is served by a task of its own."""

    def __init__(self, host: str, port: int, serve: Serve) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=100)
        self._socket.settimeout(0.0)
        self.address = self._socket.getsockname()
        self._serve = serve
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Listen no more; connections stay."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):  # it was gone before it was taken
            connection, _ = self._socket.accept()
            task = self._loop.create_task(self._begin(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _begin(self, connection: socket.socket) -> None:
        await self._serve(*await asyncio.open_connection(sock=connection))
