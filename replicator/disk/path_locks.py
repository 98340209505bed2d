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
    async def of(self, *paths: str) -> AsyncIterator[None]:
        """Work on these paths; all are taken at once, so that nobody waits while holding one."""
        while True:
            taken = next((path for path in paths if path in self._busy), None)
            if taken is not None:
                waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._busy[taken].append(waiting)
                await waiting
            elif self._moving.locked():
                async with self._moving:
                    pass
            else:
                break
        self._busy |= {path: [] for path in paths}
        self._idle.clear()
        try:
            yield
        finally:
            for path in set(paths):
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
