"""Where sessions are served: in this process, or by workers."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Protocol

import msgspec
from prometheus_client import CollectorRegistry
from typing_extensions import override

from balancer.core.node_health import ProbeFailed, ProbePassed
from balancer.moved_session import MovedSession
from balancer.session_legs import Arrival, SessionLegs
from balancer.surroundings import Surroundings
from cluster.log import logger
from cluster.settings import Settings

log = logger(__name__)

Give = Callable[[MovedSession, socket.socket], None]
"""Sends a session to another balancer, and counts it as ended here; the socket stays the caller's."""

Ended = Callable[[str, str], None]
"""Hears of which service, and from which address, a session has ended."""


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

    def __init__(self, around: Surroundings, on_ended: Ended) -> None:
        self._around = around
        self._on_ended = on_ended
        self._sessions: set[SessionLegs] = set()
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
        busy = (session.node for session in self._sessions if session.transferring)
        around = self._around
        return Load(len(self._sessions), dict(Counter(busy)), around.ports.free, around.budget.used_bytes)

    @override
    async def look(self) -> None:
        return

    @override
    async def open(self, passive: Mapping[int, socket.socket]) -> None:
        self._around.ports.hold(passive)

    @override
    async def close(self) -> None:
        for session in tuple(self._sessions):
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
        session = self._add(service, arrival, None)
        self._begin(asyncio.get_running_loop().connect_accepted_socket(lambda: Greeter(session), sock))

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
