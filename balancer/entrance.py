"""Where the clients come in: one listener for each service, and the bounds on sessions."""

import asyncio
import socket
from collections import Counter
from collections.abc import Coroutine, Iterable
from typing import Final

from typing_extensions import override

from balancer.listeners import Doorway
from balancer.message_line import MessageLine
from balancer.moved_session import MovedSession
from balancer.session_legs import Arrival, SessionLegs
from balancer.surroundings import Surroundings
from cluster.balancer_settings import Service
from cluster.clock import monotonic_s
from cluster.log import logger

log = logger(__name__)

_ACCEPTS_AT_ONCE: Final = 64
_NO_DESCRIPTOR_S: Final = 1.0


class Entrance:
    """All services, and the sessions that came through them."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._doors: set[Doorway] = set()
        self._arriving: set[asyncio.Task[object]] = set()
        self._line: MessageLine[MovedSession] | None = None
        self._sessions: set[SessionLegs] = set()
        self._by_address: Counter[str] = Counter()

    @property
    def sessions(self) -> int:
        """How many are open."""
        return len(self._sessions)

    @property
    def is_empty(self) -> bool:
        """Whether nobody is inside or just coming in."""
        return not self._sessions and not self._arriving

    @property
    def transfers(self) -> int:
        """How many transfers are in progress."""
        return sum(session.transferring for session in self._sessions)

    def open(self, doorways: Iterable[Doorway]) -> None:
        """Take in clients at these; the listeners stay who opened them's."""
        for door in doorways:
            self._doors.add(door)
            asyncio.get_running_loop().add_reader(door.listener, self._accept, door)
            address, port = door.listener.getsockname()[:2]
            log.info("listening", service=door.service, address=address, port=port, implicit_tls=door.implicit_tls)

    def shut_doors(self) -> None:
        """Take in nobody any more; who is inside stays."""
        while self._doors:
            asyncio.get_running_loop().remove_reader(self._doors.pop().listener)

    def _accept(self, door: Doorway) -> None:
        """Not by asyncio's own server: closing that one drops who was accepted in the same turn of the loop."""
        loop = asyncio.get_running_loop()
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                sock, _address = door.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor is left
                log.warning("nobody can be taken in for a while", why=error.strerror)
                loop.remove_reader(door.listener)
                loop.call_later(_NO_DESCRIPTOR_S, self._listen_again, door)
                return
            sock.settimeout(0.0)
            self._begin(loop.connect_accepted_socket(lambda: Greeter(self, door), sock))

    def _listen_again(self, door: Doorway) -> None:
        if door in self._doors:
            asyncio.get_running_loop().add_reader(door.listener, self._accept, door)

    def _begin(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    def end_all(self) -> None:
        """End all sessions."""
        for session in tuple(self._sessions):
            session.shut()

    def send_away(self, line: MessageLine[MovedSession] | None) -> None:
        """Let every session go to the balancer at the other end as soon as it can; None: let all stay again."""
        self._line = line
        for session in tuple(self._sessions):
            self._move(session)

    def _move(self, session: SessionLegs) -> None:
        if self._line is not None and (found := session.leave()) is not None:
            moved, sock = found
            with sock:
                self._line.send(moved, [sock])

    async def take_over(self, moved: MovedSession, sock: socket.socket) -> None:
        """Go on with a session that stood at another balancer, whatever the limits are."""
        service = self._around.settings.balancer.services.get(moved.service)
        if service is None:
            log.warning("a session of a service that is gone", session=moved.id, service=moved.service)
            sock.close()
            return
        session = self._add(moved.service, service, Arrival(moved.client, moved.local), moved)
        session.begin()  # first: what the client has said meanwhile comes with the connection
        await asyncio.get_running_loop().connect_accepted_socket(lambda: session.front, sock)

    def admit(self, name: str, arrival: Arrival) -> SessionLegs | str:
        """A session for a client that has just connected, or why it gets none."""
        address = arrival.client[0]
        refusal = self._refusal(address)
        if refusal:
            log.warning("turned away", client=address, service=name, why=refusal, sessions=len(self._sessions))
            self._around.metrics.turned_away.labels(name).inc()
            return refusal
        return self._add(name, self._around.settings.balancer.services[name], arrival, None)

    def _add(self, name: str, service: Service, arrival: Arrival, moved: MovedSession | None) -> SessionLegs:
        address = arrival.client[0]

        def ended() -> None:
            self._sessions.discard(session)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            self._around.admission.left(address)
            self._around.metrics.open_sessions.labels(name).dec()

        session = SessionLegs(
            self._around, name, service, arrival, moved=moved, on_end=ended, on_rest=lambda: self._move(session)
        )
        self._sessions.add(session)
        self._by_address[address] += 1
        self._around.admission.entered(address)
        self._around.metrics.open_sessions.labels(name).inc()
        return session

    def _refusal(self, address: str) -> str:
        limits = self._around.settings.limits
        if len(self._sessions) >= limits.sessions or self._by_address[address] >= limits.sessions_per_address:
            return "Too many sessions; please try again later."
        if self._around.nodes.who_banned(address) is not None:
            return "Too many failed logins from your address; please try again later."
        return self._around.admission.refusal(address, monotonic_s())


class Greeter(asyncio.Protocol):
    """Takes a new connection and hands it to the front leg of its session."""

    def __init__(self, entrance: Entrance, door: Doorway) -> None:
        self._entrance = entrance
        self._door = door

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "a TCP connection"
        client, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not client:  # gone already
            transport.close()
            return
        arrival = Arrival(client[:2], local[:2], implicit_tls=self._door.implicit_tls)
        session = self._entrance.admit(self._door.service, arrival)
        if isinstance(session, str):
            if not self._door.implicit_tls:  # there it would have to be said under TLS
                transport.write(f"421 {session}\r\n".encode())
            transport.close()
            return
        transport.set_protocol(session.front)
        session.front.connection_made(transport)
        session.begin()
