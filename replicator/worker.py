"""Settles pending paths, several at a time, and tries again what could not be done."""

import asyncio
from collections.abc import Callable
from typing import Final

from cluster.log import logger
from cluster.tree_path import parent
from replicator.marker import WrongRootError
from replicator.replica import NotYetError, Replica, UnstableError

_AT_ONCE: Final = 128

log = logger(__name__)


class Worker:
    """Makes the disk follow the index. Used by the control thread alone."""

    def __init__(self, replica: Replica, on_progress: Callable[[], None]) -> None:
        self._replica = replica
        self._on_progress = on_progress
        self._queue: asyncio.Queue[str | asyncio.Future[None]] = asyncio.Queue()
        self._queued: set[str] = set()
        self.trouble: dict[str, str] = {}

    def wake(self, path: str) -> None:
        """The path is pending."""
        if path not in self._queued:
            self._queued.add(path)
            self._queue.put_nowait(path)

    async def turn(self) -> None:
        """Wait as long as a path waits that is woken now."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(turn)
        await turn

    def retry(self) -> None:
        """Try everything again that is pending."""
        self.trouble = {path: why for path, why in self.trouble.items() if path in self._replica.index.pending}
        for path in self._replica.index.pending:
            self.wake(path)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            path = await self._queue.get()
            if isinstance(path, asyncio.Future):
                if not path.done():
                    path.set_result(None)
                continue
            self._queued.discard(path)
            try:
                await self._replica.settle(path)
            except (NotYetError, UnstableError, WrongRootError, OSError) as error:
                if path not in self.trouble:
                    log.warning("not settled yet", path=path, why=str(error))
                self.trouble[path] = str(error)
            else:
                self.trouble.pop(path, None)
                self._on_progress()
                if parent(path) in self._replica.index.pending:
                    self.wake(parent(path))
