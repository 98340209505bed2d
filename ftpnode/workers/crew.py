"""Keeps a node's workers alive, and asks all of them at once."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from cluster import clock
from cluster.live import LiveSessions
from cluster.log import LogFormat, logger
from cluster.place import Place
from cluster.problem import Problem
from cluster.restart import deaths_in_a_row, pause_s
from cluster.settings import Settings
from cluster.sum_metrics import Family, left_behind, summed
from ftpnode.staging import Staging
from ftpnode.tally import NodeTally
from ftpnode.workers.orders import (
    Adopt,
    Begin,
    Consider,
    Considered,
    Counted,
    Done,
    Kick,
    Listed,
    ListSessions,
    Look,
    Looked,
    ReopenLogs,
)
from ftpnode.workers.worker_process import TallyCounter, WorkerLostError, WorkerProcess, start_worker

T = TypeVar("T")

log = logger(__name__)

ANSWER_S: Final = 2.0
_LAST_WORK_S: Final = 8.0  # more than a worker gives the publishes that are under way


class Crew:
    """The workers of one node. On the loop that runs `keep`."""

    def __init__(
        self,
        settings: Settings,
        node: str,
        tally: NodeTally,
        opened: Mapping[str, socket.socket],
        log_format: LogFormat,
    ) -> None:
        self.settings = settings
        self.wanted = settings.nodes[node].workers
        self._node = node
        self._root = settings.nodes[node].root
        self._tally = tally
        self._opened = opened
        self._log_format = log_format
        self._serving: dict[int, WorkerProcess] = {}
        self._looked: dict[int, Looked] = {}
        self._gone: tuple[Family, ...] = ()
        self._silent: set[int] = set()
        self._ending = asyncio.Event()

    @property
    def serving(self) -> int:
        """How many workers serve and answered when they were last looked at."""
        return len(self._looked)

    @property
    def transfers(self) -> int:
        """How many transfers were under way then."""
        return sum(looked.transfers for looked in self._looked.values())

    @property
    def metrics(self) -> tuple[Family, ...]:
        """The sums over all workers as they were then, and over those that have gone."""
        return summed((*(looked.metrics for looked in self._looked.values()), self._gone))

    async def keep(self) -> None:
        """Have every worker running until `finish`."""
        await asyncio.gather(*(self._keep(Place(number, self.wanted)) for number in range(1, self.wanted + 1)))

    def finish(self) -> None:
        """Let all workers come to their end, and start no new ones."""
        self._ending.set()
        for worker in self._serving.values():
            worker.finish()

    async def look(self) -> None:
        """See how all workers are."""
        looked = await self._all(lambda worker: worker.order(Look(), Looked, ANSWER_S))
        self._looked = {number: one for number, one in looked.items() if number in self._serving}

    async def sessions(self) -> LiveSessions:
        """The sessions of all workers that answer, the oldest first."""
        listed = await self._all(lambda worker: worker.order(ListSessions(), Listed, ANSWER_S))
        found = (one for some in listed.values() for one in some.sessions)
        return LiveSessions(tuple(sorted(found, key=lambda one: -one.seconds)))

    async def kick(self, session: str) -> int:
        """End the sessions of that id, whichever worker serves them; returns how many there were."""
        counted = await self._all(lambda worker: worker.order(Kick(session), Counted, ANSWER_S))
        return sum(one.count for one in counted.values())

    async def reopen_logs(self) -> None:
        """Let all workers go on in fresh access logs."""
        await self._all(lambda worker: worker.order(ReopenLogs(), Done, ANSWER_S))

    async def consider(self, settings: Settings) -> tuple[Problem, ...]:
        """Let all workers make ready for new settings; returns why any of them cannot follow."""
        problems: list[Problem] = []

        async def consider(worker: WorkerProcess) -> None:
            try:
                problems.extend((await worker.order(Consider(settings), Considered, ANSWER_S)).problems)
            except WorkerLostError as error:
                if worker.process.returncode is None:
                    what, fix = f"cannot follow: {error}", f"try again, or kill process {worker.process.pid}"
                    problems.append(Problem(f"worker {worker.number}", what, fix))

        await asyncio.gather(*(consider(worker) for worker in self._ready()))
        return tuple(dict.fromkeys(problems))

    async def adopt(self, settings: Settings) -> None:
        """Let all workers follow the settings that they have considered; a worker that starts has them from then on."""
        self.settings = settings
        await self._all(lambda worker: self._adopt(worker, settings))

    async def _adopt(self, worker: WorkerProcess, settings: Settings) -> None:
        await worker.order(Adopt(), Done, ANSWER_S)
        worker.settings = settings

    def _ready(self) -> tuple[WorkerProcess, ...]:
        return tuple(worker for worker in self._serving.values() if worker.ready.is_set())

    async def _all(self, ask: Callable[[WorkerProcess], Awaitable[T]]) -> dict[int, T]:
        """What each worker that serves answers; those that do not are left out, and logged."""
        found: dict[int, T] = {}

        async def one(worker: WorkerProcess) -> None:
            try:
                found[worker.number] = await ask(worker)
                self._silent.discard(worker.number)
            except WorkerLostError as error:
                self._note_silent(worker, error)

        await asyncio.gather(*(one(worker) for worker in self._ready()))
        return found

    # --- one worker after the other in one place

    async def _keep(self, place: Place) -> None:
        deaths = 0
        while not self._ending.is_set():
            began_s = clock.monotonic_s()
            how = await self._one_life(place)
            if self._ending.is_set():
                return
            deaths = deaths_in_a_row(deaths, clock.monotonic_s() - began_s)
            log.error("a worker has died", worker=place.number, how=how, again_in_s=pause_s(deaths))
            await _set_within(self._ending, pause_s(deaths))

    async def _one_life(self, place: Place) -> str:
        """Start a worker and wait for its end; returns how it ended."""
        ports = {where: one.fileno() for where, one in self._opened.items()}
        begin = Begin(self.settings, self._node, place, ports, self._log_format)
        try:
            worker, counter = await start_worker(begin, self._tally, self._opened)
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        self._serving[place.number] = worker
        if self._ending.is_set():
            worker.finish()
        welcome = asyncio.create_task(self._welcome(worker))
        ended = asyncio.create_task(worker.process.wait())
        ending = asyncio.create_task(self._ending.wait())
        await asyncio.wait((ended, ending), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait((ended,), timeout=_LAST_WORK_S)
        if not ended.done():
            log.warning("a worker does not end and is killed", worker=place.number)
            worker.process.kill()
        status = await ended
        for task in (welcome, ending):
            task.cancel()
        await self._bury(worker, counter, place)
        return _how(status)

    async def _welcome(self, worker: WorkerProcess) -> None:
        """A worker that was started before a reload and serves after it follows now."""
        await worker.ready.wait()
        log.info("worker serves", worker=worker.number, pid=worker.process.pid)
        try:
            while worker.settings is not (settings := self.settings):
                await worker.order(Consider(settings), Considered, ANSWER_S)
                await self._adopt(worker, settings)
            self._looked[worker.number] = await worker.order(Look(), Looked, ANSWER_S)
        except WorkerLostError as error:
            self._note_silent(worker, error)

    def _note_silent(self, worker: WorkerProcess, error: WorkerLostError) -> None:
        if worker.number not in self._silent:
            self._silent.add(worker.number)
            log.warning("no answer from a worker", worker=worker.number, why=str(error))

    async def _bury(self, worker: WorkerProcess, counter: TallyCounter, place: Place) -> None:
        """Let nothing of a dead worker count any more, and nothing that it staged stay."""
        del self._serving[worker.number]
        await worker.close()
        self._silent.discard(worker.number)
        dropped = counter.close()
        looked = self._looked.pop(worker.number, None)
        if looked is not None:
            self._gone = summed((self._gone, left_behind(looked.metrics)))
        try:
            left = await asyncio.to_thread(Staging(self._root, place.mark).prepare)
        except OSError as error:
            log.warning("staging is not emptied", worker=worker.number, why=str(error))
        else:
            log.info("worker ended", worker=worker.number, dropped_sessions=dropped, left_over_uploads=left)


def _how(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
