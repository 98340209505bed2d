"""The head's floor: workers serve the sessions, and are kept alive; what is one for all of them is here."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Coroutine, Iterable, Mapping
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from typing_extensions import override

from balancer.arrival import Arrival, DataArrival
from balancer.core.node_health import ProbeFailed, ProbePassed
from balancer.floor import Ended as OnEnded
from balancer.floor import Floor, Give, Load
from balancer.floor import Stray as OnStray
from balancer.message_line import LineEndedError
from balancer.moved_session import MovedSession
from balancer.surroundings import Surroundings
from balancer.workers.messages import (
    Begin,
    Carried,
    Choose,
    Chosen,
    Ended,
    Follow,
    Given,
    GoOn,
    Kept,
    Left,
    Looked,
    Lost,
    Made,
    Seen,
    SendAway,
    Serves,
    Stray,
    TakeOut,
    ToHead,
    Turn,
    Unreachable,
    Use,
    Wait,
    Welcome,
    WelcomeData,
    pack_settings,
)
from balancer.workers.worker_process import WorkerProcess, WorkerSilentError, start_worker
from cluster.clock import monotonic_s
from cluster.log import LogFormat, logger
from cluster.metric_families import SummedMetrics, families_of
from cluster.place import Place
from cluster.restart import deaths_in_a_row, pause_s
from cluster.settings import Settings
from cluster.sum_metrics import Family, left_behind, summed

log = logger(__name__)

_BEGIN_S: Final = 30.0
_LOOK_EVERY_S: Final = 0.5
_LAST_WORK_S: Final = 5.0
_NOBODY: Final = b"421 This balancer cannot serve you just now; please try again later.\r\n"


class Crew(Floor):
    """The workers of one balancer."""

    def __init__(self, around: Surroundings, on_ended: OnEnded, on_stray: OnStray, log_format: LogFormat) -> None:
        self._around = around
        self._on_ended = on_ended
        self._on_stray = on_stray
        self._log_format = log_format
        self._settings = pack_settings(around.settings)
        self._followed: bytes | None = None
        wanted = around.settings.balancer.workers
        services = around.settings.balancer.services
        self._passing = frozenset(name for name, service in services.items() if service.passes_through)
        self._places = tuple(Place(number, wanted) for number in range(1, wanted + 1))
        self._workers: dict[int, WorkerProcess] = {}
        self._passive: Mapping[int, socket.socket] = {}
        self._used: frozenset[int] = frozenset()
        self._gone: tuple[Family, ...] = ()
        self._give: Give | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeping: list[asyncio.Task[None]] = []
        self._ending = asyncio.Event()
        self._complete = asyncio.Event()
        self._registry = CollectorRegistry()
        self._registry.register(SummedMetrics(self._families))

    @property
    @override
    def registry(self) -> CollectorRegistry:
        return self._registry

    @property
    @override
    def notices(self) -> tuple[str, ...]:
        serving = len(self._ready())
        return () if serving == len(self._places) else (f"{serving} of {len(self._places)} workers serve",)

    @override
    def load(self) -> Load:
        loads = [worker.load for worker in self._workers.values()]
        transfers: dict[str, int] = {}
        for load in loads:
            for node, count in load.transfers.items():
                transfers[node] = transfers.get(node, 0) + count
        return Load(
            sessions=sum(load.sessions for load in loads),
            transfers=transfers,
            leases_free=sum(load.leases_free for load in loads),
            spool_bytes=sum(load.spool_bytes for load in loads),
        )

    @override
    async def look(self) -> None:
        await asyncio.gather(*(self._look_at(worker) for worker in self._ready()))

    @override
    async def open(self, passive: Mapping[int, socket.socket]) -> None:
        """OSError when not every worker comes to serve."""
        self._passive = passive
        loop = asyncio.get_running_loop()
        self._keeping = [loop.create_task(self._keep(place), name=f"worker {place.number}") for place in self._places]
        self._begin(self._look_again_and_again())
        try:
            async with asyncio.timeout(_BEGIN_S):
                await self._complete.wait()
        except TimeoutError as error:
            raise OSError(0, "the workers do not serve; the log says why") from error

    @override
    async def close(self) -> None:
        self._ending.set()
        for worker in self._workers.values():
            worker.line.close()
        await asyncio.gather(*self._keeping)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @override
    def use(self, ports: Iterable[int]) -> None:
        self._used = frozenset(ports)
        for worker in self._ready():
            self._tell_ports(worker)

    @override
    async def keep_few(self) -> tuple[int, ...]:
        kept = await asyncio.gather(*(self._kept_by(worker) for worker in self._ready()))
        self._used = frozenset(port for ports in kept for port in ports)
        return tuple(sorted(self._used))

    @override
    def welcome(self, service: str, arrival: Arrival, sock: socket.socket) -> None:
        self._assign(Welcome(service, arrival), service, arrival.client[0], sock)

    @override
    def welcome_data(self, arrival: DataArrival, sock: socket.socket) -> None:
        worker = self._of_client(arrival.client[0])
        if worker is None:
            self._on_stray(arrival, sock)
            return
        with sock:
            worker.line.send(WelcomeData(arrival), [sock])

    @override
    def take_over(self, moved: MovedSession, sock: socket.socket) -> None:
        self._assign(GoOn(moved), moved.service, moved.client[0], sock)

    @override
    def send_away(self, give: Give | None) -> None:
        self._give = give
        self._tell_all(SendAway(give is not None))

    @override
    def seen(self, node: str, outcome: ProbePassed | ProbeFailed) -> None:
        self._around.nodes.probed(node, outcome)
        self._tell_all(Seen(node, outcome))

    @override
    def follow(self, settings: Settings) -> None:
        self._around.tls.adopt(settings)
        self._followed = pack_settings(settings)
        self._tell_all(Follow(self._followed))

    # --- what is one for all

    def _families(self) -> tuple[Family, ...]:
        of_workers = (worker.metrics for worker in self._workers.values())
        return summed((families_of(self._around.metrics.registry), *of_workers, self._gone))

    def _ready(self) -> list[WorkerProcess]:
        return [worker for worker in self._workers.values() if worker.serves.is_set()]

    def _tell_all(self, message: msgspec.Struct) -> None:
        for worker in self._ready():
            worker.line.send(message)

    def _assign(self, message: Welcome | GoOn, service: str, client: str, sock: socket.socket) -> None:
        ready = self._ready()
        if ready:
            worker = min(ready, key=lambda one: (one.sessions.total(), one.place.number))
            if service in self._passing:
                worker = self._of_client(client) or worker
            worker.give(message, service, client, sock)
            return
        with sock, contextlib.suppress(OSError):
            sock.send(_NOBODY)
        self._on_ended(service, client)

    def _of_client(self, client: str) -> WorkerProcess | None:
        """Who serves all sessions of this client whose bytes are passed through, so that its data is known there."""
        return next((one for one in self._ready() if any(one.sessions[name, client] for name in self._passing)), None)

    def _slice(self, worker: WorkerProcess) -> tuple[int, ...]:
        ports = sorted(self._passive)
        mine = worker.place.slice(range(len(ports)))
        return tuple(ports[index] for index in mine)

    def _tell_ports(self, worker: WorkerProcess) -> None:
        worker.line.send(Use(tuple(port for port in self._slice(worker) if port in self._used)))

    async def _kept_by(self, worker: WorkerProcess) -> Iterable[int]:
        try:
            return await worker.keep_few()
        except WorkerSilentError:
            return [port for port in self._slice(worker) if port in self._used]

    async def _look_at(self, worker: WorkerProcess) -> None:
        with contextlib.suppress(WorkerSilentError):
            looked = await worker.look()
            worker.load, worker.metrics = looked.load, looked.metrics

    async def _look_again_and_again(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_EVERY_S)

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- one worker after the other in one place

    async def _keep(self, place: Place) -> None:
        deaths = 0
        while not self._ending.is_set():
            began_s = monotonic_s()
            how = await self._one_life(place)
            if self._ending.is_set():
                return
            deaths = deaths_in_a_row(deaths, monotonic_s() - began_s)
            log.error("a worker has died", worker=place.number, how=how, again_in_s=pause_s(deaths))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s(deaths)):
                    await self._ending.wait()

    async def _one_life(self, place: Place) -> str:
        """Start a worker and hear it until its end; returns how it ended."""
        begin = Begin(self._settings, place, self._log_format, self._around.nodes.knowledge())
        try:
            worker = await start_worker(begin)
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        self._workers[place.number] = worker
        if self._ending.is_set():
            worker.line.close()
        try:
            while True:
                message, sockets = await worker.line.receive()
                self._heed(worker, message, sockets)
        except LineEndedError:
            pass
        worker.serves.clear()
        try:
            async with asyncio.timeout(_LAST_WORK_S):
                status = await worker.process.wait()
        except TimeoutError:
            worker.process.kill()
            status = await worker.process.wait()
        self._bury(worker)
        return f"exit status {status}" if status >= 0 else signal.Signals(-status).name

    def _bury(self, worker: WorkerProcess) -> None:
        """Let nothing of a worker that is gone count any more."""
        del self._workers[worker.place.number]
        worker.line.close()
        worker.all_move_out(self._around.nodes)
        self._gone = summed((self._gone, left_behind(worker.metrics)))
        for (service, client), count in worker.sessions.items():
            for _ in range(count):
                self._on_ended(service, client)
        if not self._ending.is_set():
            log.info("worker ended", worker=worker.place.number, dropped_sessions=worker.sessions.total())

    def _heed(self, worker: WorkerProcess, message: ToHead, sockets: list[socket.socket]) -> None:  # noqa: C901, PLR0912 - one case a message
        nodes = self._around.nodes
        match message:
            case Serves():
                self._welcome_worker(worker)
            case Ended(service, client):
                worker.ended(service, client)
                self._on_ended(service, client)
            case Stray(arrival):
                self._on_stray(arrival, sockets[0])
            case Given(moved):
                self._pass_on(worker, moved, sockets[0])
            case Choose(number, wish):
                choice = nodes.choose_now(wish)
                if choice.node is not None:
                    worker.moves_in(nodes, choice.node)
                worker.line.send(Chosen(number, choice))
            case Wait(number, seconds):
                self._begin(self._wait(worker, number, seconds))
            case Left(node):
                worker.moves_out(nodes, node)
            case Lost(node):
                nodes.lost_a_session(node)
            case Unreachable(node, why):
                nodes.connection_failed(node, why)
                for other in self._ready():
                    if other is not worker:
                        other.line.send(TakeOut(node, why))
            case Carried(node, size_bytes):
                nodes.carried(node, size_bytes)
            case Made(choice):
                self._around.choices.note(choice)
            case Looked() | Kept():
                worker.take(message)

    def _welcome_worker(self, worker: WorkerProcess) -> None:
        log.info("worker serves", worker=worker.place.number, pid=worker.process.pid)
        worker.hold({port: self._passive[port] for port in self._slice(worker)})
        if self._followed is not None:
            worker.line.send(Follow(self._followed))
        worker.serves.set()
        if len(self._ready()) == len(self._places):
            self._complete.set()
        self._tell_ports(worker)

    def _pass_on(self, worker: WorkerProcess, moved: MovedSession, sock: socket.socket) -> None:
        worker.ended(moved.service, moved.client[0])
        if self._give is None:  # meanwhile all shall stay again
            self.take_over(moved, sock)
            return
        with sock:
            self._give(moved, sock)

    async def _wait(self, worker: WorkerProcess, number: int, seconds: float) -> None:
        worker.line.send(Turn(number, await self._around.nodes.has_room(seconds)))
