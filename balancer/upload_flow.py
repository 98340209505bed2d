"""Moves one upload: from the client into the spool, and from the spool to one node after the other.

Beyond what the spool may hold, the rest is passed on directly, and the upload cannot be repeated any more.
"""

import asyncio
import contextlib
from collections.abc import Callable

from balancer.core.events import BackDataLost, Ending, Event, SpoolExceeded, UploadEnded
from balancer.data_leg import DataLeg, Pipe, SinkLostError, SourceCutError, SpoolFullError, relay
from balancer.spool import Spool, SpoolBudget
from cluster.log import logger

log = logger(__name__)


class UploadFlow:
    """One upload; `report` takes its events. Call `drop` at the end."""

    def __init__(self, budget: SpoolBudget, report: Callable[[Event], None]) -> None:
        self._spool = Spool(budget)
        self._report = report
        self._ending: Ending | None = None
        self._size_bytes = 0
        self._exceeded = False
        self._news = asyncio.Event()
        self._taken_over: asyncio.Future[DataLeg] = asyncio.get_running_loop().create_future()

    @property
    def size_bytes(self) -> int:
        """What came from the client so far."""
        return self._size_bytes

    def drop(self) -> None:
        """Free the spool."""
        self._spool.free()

    async def receive(self, front: DataLeg) -> None:
        """Take the client's data until it ends: UploadEnded, and SpoolExceeded on the way."""
        ending, back = Ending.FINISHED, None
        try:
            if not await self._fill(front):
                self._exceeded = True
                self._news.set()
                self._report(SpoolExceeded())
                back = await self._taken_over
                await relay(front, back, self._count)
        except SourceCutError:
            ending = Ending.CUT
        except SpoolFullError as error:
            log.warning("the spool cannot be written", why=str(error))
            ending = Ending.UNSPOOLED
        except SinkLostError as error:
            self._report(BackDataLost(str(error)))
            return
        if ending is Ending.FINISHED:
            # Everything came; whether the client hears our close_notify does not change that.
            with contextlib.suppress(SinkLostError):
                await front.finish()
        else:
            front.abort()
        self._ending = ending
        self._news.set()
        if back is not None:
            await self._end(back)
        self._report(UploadEnded(ending, self._size_bytes))

    async def feed(self, back: DataLeg) -> None:
        """Send the spool from its first byte as it grows, and end as the client ended; BackDataLost."""
        fed_bytes = 0
        try:
            while True:
                self._news.clear()
                if fed_bytes < self._spool.size_bytes:
                    fed_bytes += await back.send_part(self._spool.part(fed_bytes))
                    await asyncio.sleep(0)
                elif self._exceeded:
                    self._taken_over.set_result(back)
                    return
                elif self._ending is not None:
                    await self._end(back)
                    return
                else:
                    await self._news.wait()
        except SinkLostError as error:
            back.abort()
            self._report(BackDataLost(str(error)))

    async def _fill(self, front: DataLeg) -> bool:
        """Take data into the spool; False when it is full before the end."""
        while memory := self._spool.memory_room():
            if not await self._grew(await front.receive_into(memory)):
                return True
        if self._spool.file_room() is None:
            return False
        with Pipe() as pipe:
            while (room := self._spool.file_room()) is not None:
                if not await self._grew(await front.receive_into_file(room, pipe)):
                    return True
        return False

    async def _grew(self, count: int) -> bool:
        """Tell of new bytes; whether there are any."""
        if count:
            self._spool.grew(count)
            self._count(count)
            self._news.set()
            # Let the other sessions, and the feeding, have their turn even when nothing has to be waited for.
            await asyncio.sleep(0)
        return count > 0

    async def _end(self, back: DataLeg) -> None:
        if self._ending is Ending.FINISHED:
            with contextlib.suppress(SinkLostError):  # the node's reply says it, and is waited for
                await back.finish()
        else:
            back.abort()

    def _count(self, count: int) -> None:
        self._size_bytes += count
