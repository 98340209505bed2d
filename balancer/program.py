"""Runs a balancer: everything is opened in order, and closed when a signal says so."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
from collections.abc import Collection, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from typing_extensions import override

from balancer.arrival import DataArrival
from balancer.canary_rounds import CanaryRounds
from balancer.core.node_health import ProbeFailed, ProbePassed
from balancer.entrance import Entrance
from balancer.floor import Ended, Floor, LocalFloor, Stray
from balancer.handover.giving import Giver, Giving
from balancer.handover.messages import decode_session
from balancer.handover.successor import start_successor, tell_supervisor
from balancer.handover.taking import Predecessor, find_predecessor
from balancer.listeners import Listeners, open_listeners
from balancer.management_api import description
from balancer.message_line import LineEndedError, MessageLine, line_ends
from balancer.metrics import CanaryGauges, NodeGauges
from balancer.moved_session import MovedSession
from balancer.prober import Prober
from balancer.surroundings import Surroundings, make_surroundings, read_token
from balancer.workers.crew import Crew
from cluster.health import BalancedNode, BalancerHealth, NodeState
from cluster.live import Reloaded, Upgraded
from cluster.log import LogFormat, logger
from cluster.management import Management
from cluster.problem import ConfigError
from cluster.read_settings import read_settings
from cluster.settings import Settings

log = logger(__name__)

_FINISH_LOOK_S: Final = 0.1


def make_floor(around: Surroundings, on_ended: Ended, on_stray: Stray, log_format: LogFormat) -> Floor:
    """Where the sessions are served: here, or by workers where there shall be some."""
    if around.settings.balancer.workers == 1:
        return LocalFloor(around, on_ended, on_stray)
    return Crew(around, on_ended, on_stray, log_format)


class Program(Giver):
    """A running balancer. `successor` is the command that starts the next one, where it can be started from here."""

    def __init__(self, settings: Settings, successor: Sequence[str] = (), log_format: LogFormat = "text") -> None:
        self.around = make_surroundings(settings)
        self._settings = settings
        self._successor = successor
        self._file: Path | None = None
        self._entrance = Entrance(self.around)
        self._floor = make_floor(self.around, self._entrance.left, self._stray, log_format)
        self._probes: list[asyncio.Task[None]] = []
        self._listeners: Listeners | None = None
        self._giving = Giving(self)
        self._predecessor: Predecessor | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._finishing: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._token = read_token(settings.cluster.management_token)
        self._management = Management(
            health=self.health,
            registry=self._floor.registry,
            token=self._token,
            documents={"choices": self.around.choices.document},
            actions={"upgrade": self._upgrade, "reload": self._reload},
            refresh=self._floor.look,
        )
        self._management.describe(description())
        self._canaries = CanaryRounds(settings, self.around.token_key, self.around.nodes.serving)
        self._floor.registry.register(NodeGauges(self._nodes))
        self._floor.registry.register(CanaryGauges(lambda: self._canaries.trips))

    async def start(self, predecessor: Predecessor | None = None) -> None:
        """Open everything, in the place of `predecessor` where there is one.

        OSError says in one line which address is busy, NotGivenError why the place could not be taken.
        """
        self._listeners = open_listeners(self._settings, predecessor.sockets if predecessor else ())
        await self._floor.open(self._listeners.passive)
        if predecessor is None:
            await self._open(self._listeners, kept=())
            return
        ours, theirs = line_ends()
        sessions = MessageLine(ours, decode_session)
        kept = await predecessor.release(theirs)
        await self._open(self._listeners, kept)
        self._predecessor = predecessor
        predecessor.we_serve()
        self._begin(self._take_sessions(sessions))
        self._begin(self._follow(predecessor))

    async def stop(self) -> None:
        """Close everything."""
        if self._predecessor is not None:
            self._predecessor.end()
        if self._finishing is not None:
            self._finishing.cancel()
        self._entrance.shut_doors()
        await self._stop_probes()
        await self._floor.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._management.stop()
        await self._giving.close()
        if self._listeners is not None:
            self._listeners.close()
        log.info("stopped")

    async def run(self, file: Path, *, take_over: bool = False) -> None:
        """Serve until SIGTERM or SIGINT; at SIGHUP, `reload` from `file`.

        `take_over`: in the place of the balancer that runs, where one does. NotGivenError.
        """
        # Every session takes up to four descriptors, and the passive ports one each.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self._file = file
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload, file)
        predecessor = await find_predecessor(self._settings.balancer) if take_over else None
        try:
            await self.start(predecessor)
            log.info("ready", vip=self._settings.balancer.vip, took_over_from=predecessor and predecessor.process)
            tell_supervisor()
            await self.wait()
        finally:
            await self.stop()

    async def wait(self) -> None:
        """Return when it shall end: told so, or succeeded and without sessions."""
        await self._stop.wait()

    # --- serving, and no longer

    async def _open(self, listeners: Listeners, kept: Collection[int]) -> None:
        """Serve all but the passive ports that another process keeps."""
        await self._management.open(listeners.management)
        self._floor.use(port for port in listeners.passive if port not in kept)
        for name in self._settings.nodes:
            prober = Prober(self._settings, name, self.around.token_key, self._token, self._probed)
            self._probes.append(asyncio.get_running_loop().create_task(prober.run(), name=f"probe {name}"))
        self._probes.append(asyncio.get_running_loop().create_task(self._canaries.run(), name="canaries"))
        self._entrance.open(listeners, self._floor)
        self._giving.open(listeners.successors)

    def _probed(self, node: str, outcome: ProbePassed | ProbeFailed) -> None:
        if isinstance(outcome, ProbePassed):
            outcome = msgspec.structs.replace(outcome, cut_off=self._canaries.why_cut_off(node))
        self.seen(node, outcome)
        if self._predecessor is not None:
            self._predecessor.seen(node, outcome)

    async def _stop_probes(self) -> None:
        for probe in self._probes:
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        self._probes.clear()

    # --- with the balancer before this one

    async def _take_sessions(self, line: MessageLine[MovedSession]) -> None:
        count = 0
        try:
            while True:
                moved, sockets = await line.receive()
                for sock in sockets[:1]:
                    self._entrance.take_over(moved, sock)
                    count += 1
        except LineEndedError:
            log.info("sessions came from the old balancer", count=count)
        finally:
            line.close()

    def _stray(self, arrival: DataArrival, sock: socket.socket) -> None:
        """Nobody here knows the client; the sessions that the old balancer still has are its own to know."""
        with sock:
            if self._predecessor is not None:
                self._predecessor.bring(arrival, sock)
            else:
                log.warning("stranger on a node's port", node=arrival.node, client=arrival.client[0])

    async def _follow(self, predecessor: Predecessor) -> None:
        """Have the passive ports that it keeps as soon as it is gone."""
        await predecessor.wait_until_gone()
        self._predecessor = None
        if self._listeners is not None:
            self._floor.use(self._listeners.passive)
        log.info("the old balancer has ended", process=predecessor.process)

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- with the one after it

    @property
    @override
    def held(self) -> Sequence[socket.socket]:
        return self._listeners.all() if self._listeners is not None else ()

    @property
    @override
    def why_not_now(self) -> str:
        if self._predecessor is None:
            return ""
        return f"the one before it, process {self._predecessor.process}, still finishes its sessions; try again later"

    @override
    async def step_back(self) -> tuple[int, ...]:
        self._entrance.shut_doors()
        self._giving.shut()
        await self._stop_probes()
        await self._management.shut()
        return await self._floor.keep_few()

    @override
    def send_away(self, line: MessageLine[MovedSession]) -> None:
        self._finishing = asyncio.get_running_loop().create_task(self._finish(line), name="finish")

    async def _finish(self, line: MessageLine[MovedSession]) -> None:
        def give(moved: MovedSession, sock: socket.socket) -> None:
            line.send(moved, [sock])
            self._entrance.left(moved.service, moved.client[0])

        try:
            async with asyncio.timeout(self._settings.balancer.handover_s):
                while self._entrance.sessions:
                    self._floor.send_away(give)
                    await asyncio.sleep(_FINISH_LOOK_S)
        except TimeoutError:
            log.warning("the time to finish is over", sessions=self._entrance.sessions)
        self._stop.set()

    @override
    async def step_forward(self) -> None:
        if self._finishing is not None:
            self._finishing.cancel()
        self._floor.send_away(None)
        if self._listeners is not None and not self._stop.is_set():
            await self._open(self._listeners, kept=())

    @override
    def seen(self, node: str, outcome: ProbePassed | ProbeFailed) -> None:
        self._floor.seen(node, outcome)

    @override
    def brought(self, arrival: DataArrival, sock: socket.socket) -> None:
        self._floor.welcome_data(arrival, sock)

    @override
    def end(self) -> None:
        self._stop.set()

    async def _upgrade(self, query: Mapping[str, str]) -> Upgraded:
        if query:
            raise ValueError("upgrade takes no parameters")
        if self.why_not_now or not self._successor:
            raise ValueError(self.why_not_now or "this balancer cannot start another one")
        return Upgraded(await start_successor(self._successor, self._giving.done))

    def reload(self, file: Path) -> None:
        """Read `file` and the certificate anew, for the handshakes to come; a bad one is logged and changes nothing."""
        with contextlib.suppress(ConfigError):  # it is in the log
            self._read_anew(file)

    def _read_anew(self, file: Path) -> None:
        try:
            self._floor.follow(read_settings(file))
        except ConfigError as error:
            for problem in error.problems:
                log.error("reload refused", where=problem.where, what=problem.what, fix=problem.fix)  # noqa: TRY400 - no bug
            raise
        log.info("reloaded", file=str(file))

    async def _reload(self, query: Mapping[str, str]) -> Reloaded:
        if query:
            raise ValueError("reload takes no parameters")
        if self._file is None:
            raise ValueError("this balancer was started without a file")
        try:
            self._read_anew(self._file)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return Reloaded(("certificates",))

    def health(self) -> BalancerHealth:
        """What the balancer says of itself."""
        load, nodes = self._floor.load(), self._nodes()
        usable = any(node.usable for node in nodes)
        return BalancerHealth(
            state=NodeState.READY if usable else NodeState.FAILED,
            process=os.getpid(),
            sessions=self._entrance.sessions,
            transfers=sum(load.transfers.values()),
            leases_free=load.leases_free,
            spool_bytes=load.spool_bytes,
            moved_sessions=self._total("balancer_moved_sessions"),
            repeated_uploads=self._total("balancer_repeated_uploads"),
            continued_downloads=self._total("balancer_continued_downloads"),
            nodes=nodes,
            canaries=self._canaries.trips,
            notices=(
                *self._floor.notices,
                *self._canaries.notices,
                *(f"node {node.node}: {node.why}" for node in nodes if not node.usable),
            ),
        )

    def _nodes(self) -> tuple[BalancedNode, ...]:
        return self.around.nodes.document(self._floor.load().transfers)

    def _total(self, name: str) -> int:
        """What the counter `name`, one without labels, shows."""
        return int(self._floor.registry.get_sample_value(f"{name}_total") or 0)
