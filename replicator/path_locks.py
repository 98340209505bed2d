"""Who may work on which path: one at a time on each path, and nobody while a whole directory moves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class PathLocks:
    """Locks by path for the control thread's tasks."""

    def __init__(self) -> None:
        self._busy: dict[str, list[asyncio.Future[None]]] = {}
        self._moving = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.asynccontextmanager
    async def of(self, path: str) -> AsyncIterator[None]:
        """Work on one path."""
        while path in self._busy or self._moving.locked():
            if path in self._busy:
                waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._busy[path].append(waiting)
                await waiting
            else:
                async with self._moving:
                    pass
        self._busy[path] = []
        self._idle.clear()
        try:
            yield
        finally:
            for waiting in self._busy.pop(path):
                if not waiting.done():
                    waiting.set_result(None)
            if not self._busy:
                self._idle.set()

    @contextlib.asynccontextmanager
    async def everything(self) -> AsyncIterator[None]:
        """Work on the tree as a whole, when all work on single paths has ended; new work waits."""
        async with self._moving:
            while self._busy:
                await self._idle.wait()
            yield
