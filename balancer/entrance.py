"""Where the clients come in: a door for each service, and the bounds on sessions."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Iterable
from typing import Final

from balancer.floor import Floor
from balancer.listeners import Doorway
from balancer.moved_session import MovedSession
from balancer.session_legs import Arrival
from balancer.surroundings import Surroundings
from cluster.clock import monotonic_s
from cluster.log import logger

log = logger(__name__)

_ACCEPTS_AT_ONCE: Final = 64
_NO_DESCRIPTOR_S: Final = 1.0


class Entrance:
    """All services; counts who is on the floor, which has to say when somebody `left`."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._doors: set[Doorway] = set()
        self._floor: Floor | None = None
        self._by_address: Counter[str] = Counter()
        self.sessions = 0
        """How many are open."""

    def open(self, doorways: Iterable[Doorway], floor: Floor) -> None:
        """Let clients in at these, onto the floor; the listeners stay who opened them's."""
        self._floor = floor
        for door in doorways:
            self._doors.add(door)
            asyncio.get_running_loop().add_reader(door.listener, self._accept, door)
            address, port = door.listener.getsockname()[:2]
            log.info("listening", service=door.service, address=address, port=port, implicit_tls=door.implicit_tls)

    def shut_doors(self) -> None:
        """Let nobody in any more; who is inside stays."""
        while self._doors:
            asyncio.get_running_loop().remove_reader(self._doors.pop().listener)

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

    def _accept(self, door: Doorway) -> None:
        """Not by asyncio's own server: closing that one drops who was accepted in the same turn of the loop."""
        loop = asyncio.get_running_loop()
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                sock, client = door.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor is left
                log.warning("nobody can be let in for a while", why=error.strerror)
                loop.remove_reader(door.listener)
                loop.call_later(_NO_DESCRIPTOR_S, self._listen_again, door)
                return
            sock.settimeout(0.0)
            self._admit(door, sock, Arrival(client[:2], sock.getsockname()[:2], implicit_tls=door.implicit_tls))

    def _listen_again(self, door: Doorway) -> None:
        if door in self._doors:
            asyncio.get_running_loop().add_reader(door.listener, self._accept, door)

    def _admit(self, door: Doorway, sock: socket.socket, arrival: Arrival) -> None:
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
