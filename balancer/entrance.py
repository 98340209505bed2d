"""Where the clients come in: a door for each service and for each port of a node, and the bounds on sessions."""

import contextlib
import functools
import socket
from collections import Counter

from balancer.arrival import Arrival, DataArrival
from balancer.door import Address, Door
from balancer.floor import Floor
from balancer.listeners import Doorway, Listeners
from balancer.moved_session import MovedSession
from balancer.surroundings import Surroundings
from cluster.clock import monotonic_s
from cluster.log import logger

log = logger(__name__)


class Entrance:
    """All services; counts who is on the floor, which has to say when somebody `left`."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._doors: list[Door] = []
        self._floor: Floor | None = None
        self._by_address: Counter[str] = Counter()
        self.sessions = 0
        """How many are open."""

    def open(self, listeners: Listeners, floor: Floor) -> None:
        """Let clients in at these, onto the floor; the listeners stay who opened them's."""
        self._floor = floor
        for way in listeners.doorways:
            self._doors.append(Door(way.listener, functools.partial(self._admit, way)))
            address, port = way.listener.getsockname()[:2]
            log.info("listening", service=way.service, address=address, port=port, implicit_tls=way.implicit_tls)
        for port_of in listeners.node_ports:
            self._doors.append(Door(port_of.listener, functools.partial(self._let_data_in, port_of.node)))

    def shut_doors(self) -> None:
        """Let nobody in any more; who is inside stays."""
        while self._doors:
            self._doors.pop().shut()

    def take_over(self, moved: MovedSession, sock: socket.socket) -> None:
        """Let in a session that stood at another balancer, whatever the limits are."""
        if self._floor is None or moved.service not in self._around.settings.balancer.services:
            log.warning("a session of a service that is gone", session=moved.id, service=moved.service)
            sock.close()
            return
        self._entered(moved.client[0])
        self._floor.take_over(moved, sock)

    def left(self, _service: str, address: str) -> None:
        """A session from there has ended."""
        self.sessions -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        self._around.admission.left(address)

    def _let_data_in(self, node: str, sock: socket.socket, client: Address) -> None:
        assert self._floor is not None, "a door is open onto a floor"
        self._floor.welcome_data(DataArrival(node, client, sock.getsockname()[:2]), sock)

    def _admit(self, door: Doorway, sock: socket.socket, client: Address) -> None:
        arrival = Arrival(client, sock.getsockname()[:2], implicit_tls=door.implicit_tls)
        address = arrival.client[0]
        refusal = self._refusal(address)
        if not refusal:
            assert self._floor is not None, "a door is open onto a floor"
            self._entered(address)
            self._floor.welcome(door.service, arrival, sock)
            return
        log.warning("turned away", client=address, service=door.service, why=refusal, sessions=self.sessions)
        self._around.metrics.turned_away.labels(door.service).inc()
        with sock, contextlib.suppress(OSError):
            if not door.implicit_tls:  # there it would have to be said under TLS
                sock.send(f"421 {refusal}\r\n".encode())

    def _entered(self, address: str) -> None:
        self.sessions += 1
        self._by_address[address] += 1
        self._around.admission.entered(address)

    def _refusal(self, address: str) -> str:
        limits = self._around.settings.limits
        if self.sessions >= limits.sessions or self._by_address[address] >= limits.sessions_per_address:
            return "Too many sessions; please try again later."
        if self._around.nodes.who_banned(address) is not None:
            return "Too many failed logins from your address; please try again later."
        return self._around.admission.refusal(address, monotonic_s())
