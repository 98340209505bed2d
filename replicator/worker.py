"""Settles pending paths, several at a time, and tries again what could not be done."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from cluster.log import logger
from cluster.tree_path import parent
from replicator.disk.marker import WrongRootError
from replicator.disk.tree import UnstableError
from replicator.not_yet import NobodyHasItError, NotYetError
from replicator.peers.wire import MAX_SMALL
from replicator.replica import Replica
from replicator.transfers.intake import Intake

_AT_ONCE: Final = 16
_INTAKES: Final = 2
_AGAIN_AT_ONCE: Final = 250

log = logger(__name__)


class Worker:
    """Makes the disk follow the index. Used by the control thread alone."""

    many = 16  # so many small new files are taken in together

    def __init__(self, replica: Replica, intake: Intake, on_progress: Callable[[], None]) -> None:
        self._replica = replica
        self._intake = intake
        self._small: asyncio.Queue[str] = asyncio.Queue()
        self._alone: set[str] = set()  # what the intake could not settle
        self._on_progress = on_progress
        self._queue: asyncio.Queue[str | asyncio.Future[None]] = asyncio.Queue()
        self._queued: set[str] = set()
        self.trouble: dict[str, str] = {}  # what was tried longest ago comes first
        self.missing: set[str] = set()  # of these, the paths whose content no peer has

    def wake(self, path: str) -> None:
        """The path is pending."""
        if path not in self._queued:
            self._queued.add(path)
            (self._queue if path in self._alone or not self._intake.suits(path) else self._small).put_nowait(path)

    async def turn(self) -> None:
        """Wait as long as a path waits that is woken now."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(turn)
        await turn

    def retry(self) -> None:
        """Try everything again that is pending, for there may be a peer more."""
        for path in self._replica.index.pending:
            self.wake(path)

    def retry_some(self) -> None:
        """The same, but of what failed before only the next few: thousands may wait, for days."""
        pending = self._replica.index.pending
        self.trouble = {path: why for path, why in self.trouble.items() if path in pending}
        self.missing &= pending
        later = set(islice(self.trouble, _AGAIN_AT_ONCE, None))
        for path in pending:
            if path not in later:
                self.wake(path)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._work())
            for _ in range(_INTAKES):
                tasks.create_task(self._take_in())

    async def _take_in(self) -> None:
        """Small new files: many together, a few one by one."""
        while True:
            paths = [await self._small.get()]
            while len(paths) < MAX_SMALL and not self._small.empty():
                paths.append(self._small.get_nowait())
            if len(paths) >= self.many:
                self._queued.difference_update(paths)
                await self._settle_together(paths)
            else:
                for path in paths:
                    self._queue.put_nowait(path)

    async def _settle_together(self, paths: Sequence[str]) -> None:
        try:
            await self._intake.settle(paths)
        except (NotYetError, UnstableError, WrongRootError, OSError) as error:
            log.warning("many small files are settled one by one", files=len(paths), why=str(error))
        pending = self._replica.index.pending
        for path in paths:
            if path in pending:
                self._alone.add(path)
                self.wake(path)
            else:
                self._forget(path)
        self._on_progress()
        for folder in {parent(path) for path in paths}:
            if folder in pending:
                self.wake(folder)

    async def _work(self) -> None:
        while True:
            path = await self._queue.get()
            if isinstance(path, asyncio.Future):
                if not path.done():
                    path.set_result(None)
                continue
            self._queued.discard(path)
            self._alone.discard(path)
            try:
                await self._replica.settle(path)
            except (NotYetError, UnstableError, WrongRootError, OSError) as error:
                if path not in self.trouble:
                    log.warning("not settled yet", path=path, why=str(error))
                self._forget(path)
                self.trouble[path] = str(error)
                if isinstance(error, NobodyHasItError):
                    self.missing.add(path)
            else:
                self._forget(path)
                self._on_progress()
                if parent(path) in self._replica.index.pending:
                    self.wake(parent(path))

    def notices(self) -> tuple[str, ...]:
        """Sentences for an operator."""
        missing = [path for path in self.trouble if path in self.missing]
        others = [path for path in self.trouble if path not in self.missing]
        what = "wait for content that no peer has, such as"
        lost = [f"{len(missing)} paths {what} {missing[0]!r}: put it back, or delete it"] if missing else []
        late = [f"{len(others)} paths wait, such as {others[0]!r}: {self.trouble[others[0]]}"] if others else []
        return (*lost, *late)

    def _forget(self, path: str) -> None:
        self.trouble.pop(path, None)
        self.missing.discard(path)
