"""Where sessions are served: in this process, or by workers."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Protocol

import msgspec
from prometheus_client import CollectorRegistry
from typing_extensions import override

from balancer.arrival import Arrival, DataArrival
from balancer.core.node_health import ProbeFailed, ProbePassed
from balancer.core.pass_through import whose
from balancer.moved_session import MovedSession
from balancer.pass_through import PassThrough
from balancer.session_legs import SessionLegs
from balancer.surroundings import Surroundings
from cluster.balancer_settings import Service
from cluster.log import logger
from cluster.settings import Settings

log = logger(__name__)

Give = Callable[[MovedSession, socket.socket], None]
"""Sends a session to another balancer, and counts it as ended here; the socket stays the caller's."""

Ended = Callable[[str, str], None]
"""Hears of which service, and from which address, a session has ended."""

Stray = Callable[[DataArrival, socket.socket], None]
"""Has a data connection that is of no session here; the socket is its own to close."""


class Load(msgspec.Struct, frozen=True):
    """What a floor carries; `transfers` by node are those in progress."""

    sessions: int
    transfers: dict[str, int]
    leases_free: int
    spool_bytes: int


class Floor(Protocol):
    """Serves sessions; passive ports are lent only after `use`."""

    @property
    def registry(self) -> CollectorRegistry:
        """The metrics of all sessions."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What an operator should know of it, in sentences."""

    def load(self) -> Load:
        """What it carries now, or did when it was last looked at."""

    async def look(self) -> None:
        """Have `load` and the metrics as they are now."""

    async def open(self, passive: Mapping[int, socket.socket]) -> None:
        """Be ready to serve; these listen on the passive ports."""

    async def close(self) -> None:
        """End all sessions, and whatever serves them."""

    def use(self, ports: Iterable[int]) -> None:
        """Lend these passive ports alone."""

    async def keep_few(self) -> tuple[int, ...]:
        """Lend no more passive ports than sessions that come to their end need; returns these."""

    def welcome(self, service: str, arrival: Arrival, sock: socket.socket) -> None:
        """Serve a client that has just connected."""

    def welcome_data(self, arrival: DataArrival, sock: socket.socket) -> None:
        """Pass a data connection to a node's port through, for a session here that it can be of."""

    def take_over(self, moved: MovedSession, sock: socket.socket) -> None:
        """Go on with a session that stood at another balancer."""

    def send_away(self, give: Give | None) -> None:
        """Give away every session as soon as it is at rest; None: let all stay again."""

    def seen(self, node: str, outcome: ProbePassed | ProbeFailed) -> None:
        """Heed what a probe found."""

    def follow(self, settings: Settings) -> None:
        """Use other certificates; ConfigError when they do not do."""


class LocalFloor(Floor):
    """Serves in this process."""

    def __init__(self, around: Surroundings, on_ended: Ended, on_stray: Stray) -> None:
        self._around = around
        self._on_ended = on_ended
        self._on_stray = on_stray
        self._sessions: set[SessionLegs] = set()
        self._passing: dict[str, PassThrough] = {}
        self._arriving: set[asyncio.Task[object]] = set()
        self._give: Give | None = None

    @property
    @override
    def registry(self) -> CollectorRegistry:
        return self._around.metrics.registry

    @property
    @override
    def notices(self) -> tuple[str, ...]:
        return ()

    @override
    def load(self) -> Load:
        around, sessions = self._around, self._all()
        busy = (session.node for session in sessions if session.transferring)
        return Load(len(sessions), dict(Counter(busy)), around.ports.free, around.budget.used_bytes)

    @override
    async def look(self) -> None:
        return

    @override
    async def open(self, passive: Mapping[int, socket.socket]) -> None:
        self._around.ports.hold(passive)

    @override
    async def close(self) -> None:
        for session in self._all():
            session.shut()
        self._around.ports.use(())

    @override
    def use(self, ports: Iterable[int]) -> None:
        self._around.ports.use(ports)

    @override
    async def keep_few(self) -> tuple[int, ...]:
        return self._around.ports.keep_few()

    @override
    def welcome(self, service: str, arrival: Arrival, sock: socket.socket) -> None:
        settings = self._around.settings.balancer.services[service]
        if settings.passes_through:
            self._pass_through(service, settings, arrival, sock)
            return
        session = self._add(service, arrival, None)
        self._begin(asyncio.get_running_loop().connect_accepted_socket(lambda: Greeter(session), sock))

    @override
    def welcome_data(self, arrival: DataArrival, sock: socket.socket) -> None:
        found = whose((one.passing for one in self._passing.values()), arrival.client[0], arrival.node)
        if found is None:
            self._on_stray(arrival, sock)
        else:
            self._passing[found].take(arrival, sock)

    @override
    def take_over(self, moved: MovedSession, sock: socket.socket) -> None:
        session = self._add(moved.service, Arrival(moved.client, moved.local), moved)
        session.begin()  # first: what the client has said meanwhile comes with the connection
        self._begin(asyncio.get_running_loop().connect_accepted_socket(lambda: session.front, sock))

    @override
    def send_away(self, give: Give | None) -> None:
        self._give = give
        for session in tuple(self._sessions):
            self._move(session)

    @override
    def seen(self, node: str, outcome: ProbePassed | ProbeFailed) -> None:
        self._around.nodes.probed(node, outcome)

    @override
    def follow(self, settings: Settings) -> None:
        self._around.tls.adopt(settings)

    def _pass_through(self, name: str, service: Service, arrival: Arrival, sock: socket.socket) -> None:
        def ended() -> None:
            del self._passing[session.id]
            opened.dec()
            self._on_ended(name, session.client)

        opened = self._around.metrics.open_sessions.labels(name)
        session = PassThrough(self._around, name, service, arrival, sock, ended)
        self._passing[session.id] = session
        opened.inc()
        session.begin()

    def _all(self) -> list[SessionLegs | PassThrough]:
        return [*self._sessions, *self._passing.values()]

    def _move(self, session: SessionLegs) -> None:
        if self._give is not None and (found := session.leave()) is not None:
            moved, sock = found
            self._forget(session, moved.service)
            with sock:
                self._give(moved, sock)

    def _add(self, name: str, arrival: Arrival, moved: MovedSession | None) -> SessionLegs:
        session = SessionLegs(
            self._around,
            name,
            self._around.settings.balancer.services[name],
            arrival,
            moved=moved,
            on_end=lambda: self._ended(session, name, arrival.client[0]),
            on_rest=lambda: self._move(session),
        )
        self._sessions.add(session)
        self._around.metrics.open_sessions.labels(name).inc()
        return session

    def _ended(self, session: SessionLegs, service: str, client: str) -> None:
        self._forget(session, service)
        self._on_ended(service, client)

    def _forget(self, session: SessionLegs, service: str) -> None:
        self._sessions.discard(session)
        self._around.metrics.open_sessions.labels(service).dec()

    def _begin(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)


class Greeter(asyncio.Protocol):
    """Takes a new connection and hands it to the front leg of its session."""

    def __init__(self, session: SessionLegs) -> None:
        self._session = session

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "a TCP connection"
        transport.set_protocol(self._session.front)
        self._session.front.connection_made(transport)
        self._session.begin()
