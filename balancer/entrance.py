"""Where the clients come in: one listener for each service, and the bounds on sessions."""

import asyncio
from collections import Counter
from functools import partial
from typing import Final

from typing_extensions import override

from balancer.session_legs import SessionLegs
from balancer.surroundings import Surroundings
from cluster.log import logger

log = logger(__name__)

_BACKLOG: Final = 1024
_BUSY: Final = b"421 Too many sessions; please try again later.\r\n"


class Entrance:
    """All services, and the sessions that came through them."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._servers: list[asyncio.Server] = []
        self._sessions: set[SessionLegs] = set()
        self._by_address: Counter[str] = Counter()

    @property
    def sessions(self) -> int:
        """How many are open."""
        return len(self._sessions)

    @property
    def transfers(self) -> int:
        """How many transfers are in progress."""
        return sum(session.transferring for session in self._sessions)

    async def open(self) -> None:
        """Listen for every service; OSError names the one whose port is busy."""
        for name, service in self._around.settings.balancer.services.items():
            await self._listen(name, service.port, implicit_tls=False)
            if service.implicit_port is not None:
                await self._listen(name, service.implicit_port, implicit_tls=True)

    async def _listen(self, name: str, port: int, *, implicit_tls: bool) -> None:
        address = self._around.settings.balancer.bind_address
        greeter = partial(Greeter, self, name, implicit_tls=implicit_tls)
        try:
            server = await asyncio.get_running_loop().create_server(greeter, address, port, backlog=_BACKLOG)
        except OSError as error:
            message = f"service {name}, port {port} on {address}: {error.strerror}"
            raise OSError(error.errno, message) from error
        self._servers.append(server)
        log.info("listening", service=name, address=address, port=port, implicit_tls=implicit_tls)

    async def close(self) -> None:
        """Stop listening and end all sessions."""
        for server in self._servers:
            server.close()
        for session in tuple(self._sessions):
            session.shut()
        for server in self._servers:
            await server.wait_closed()

    def admit(
        self, name: str, client: tuple[str, int], local: tuple[str, int], *, implicit_tls: bool
    ) -> SessionLegs | None:
        """A session for a client that has just connected, or None when there are too many."""
        limits = self._around.settings.limits
        address = client[0]
        if len(self._sessions) >= limits.sessions or self._by_address[address] >= limits.sessions_per_address:
            log.warning("too many sessions", client=address, sessions=len(self._sessions))
            return None

        def ended() -> None:
            self._sessions.discard(session)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            self._around.metrics.open_sessions.set(len(self._sessions))

        service = self._around.settings.balancer.services[name]
        session = SessionLegs(
            self._around, name, service, client=client, local=local, implicit_tls=implicit_tls, on_end=ended
        )
        self._sessions.add(session)
        self._by_address[address] += 1
        self._around.metrics.open_sessions.set(len(self._sessions))
        return session


class Greeter(asyncio.Protocol):
    """Takes a new connection and hands it to the front leg of its session."""

    def __init__(self, entrance: Entrance, service: str, *, implicit_tls: bool) -> None:
        self._entrance = entrance
        self._service = service
        self._implicit_tls = implicit_tls

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "a TCP connection"
        client, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        implicit_tls = self._implicit_tls
        admit = self._entrance.admit
        session = admit(self._service, client[:2], local[:2], implicit_tls=implicit_tls) if client else None
        if session is None:
            if not implicit_tls:  # there it would have to be said under TLS
                transport.write(_BUSY)
            transport.close()
            return
        transport.set_protocol(session.front)
        session.front.connection_made(transport)
        session.begin()
