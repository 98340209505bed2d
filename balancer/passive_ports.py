"""The passive ports on the VIP: one listener each, open all the time, and lent to sessions.

A connection is matched by its port and the client's address; anybody else's is closed without a word, and the lease
stays.
"""

import asyncio
import contextlib
import random
import socket
from collections.abc import Iterable
from typing import Final

from balancer.core.leases import Lease, Leases
from cluster.clock import monotonic_s

_BACKLOG: Final = 64


class LentPort:
    """A passive port in the hands of one session, and the connection that comes to it."""

    def __init__(self, ports: "PassivePorts", lease: Lease) -> None:
        self._ports = ports
        self.lease = lease
        self.arrived: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()

    def give_back(self) -> None:
        """End the lease, and close a connection that nobody took."""
        self._ports.take_back(self)
        if self.arrived.done() and not self.arrived.cancelled():
            self.arrived.result().close()
        self.arrived.cancel()

    async def connection(self, timeout_s: float) -> socket.socket:
        """The client's data connection, once; TimeoutError. It belongs to the caller."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self.arrived
        finally:
            self._ports.take_back(self)
            self.arrived = asyncio.get_running_loop().create_future()


class PassivePorts:
    """All of them."""

    def __init__(self, address: str, ports: Iterable[int], chance: random.Random) -> None:
        self._address = address
        self._ports = tuple(ports)
        self._chance = chance
        self._leases = Leases(self._ports)
        self._lent: dict[Lease, LentPort] = {}
        self._listeners: list[socket.socket] = []

    @property
    def free(self) -> int:
        """How many more leases there may be at the worst."""
        return self._leases.free

    def open(self) -> None:
        """Listen on every port; OSError names the one that is busy."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        for port in self._ports:
            listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            self._listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((self._address, port))
                listener.listen(_BACKLOG)
            except OSError as error:
                message = f"passive port {port} on {self._address}: {error.strerror}"
                raise OSError(error.errno, message) from error
            loop.add_reader(listener.fileno(), self._accept, listener, port)

    def close(self) -> None:
        """Stop listening."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener.fileno())
            listener.close()

    def lend(self, client: str, lifetime_s: float) -> LentPort | None:
        """A port for the session of `client`, or None when there is none."""
        lease = self._leases.grant(client, monotonic_s(), lifetime_s, self._chance.randrange)
        if lease is None:
            return None
        lent = self._lent[lease] = LentPort(self, lease)
        return lent

    def take_back(self, lent: LentPort) -> None:
        """End a lease; no harm when it has ended."""
        self._leases.release(lent.lease)
        self._lent.pop(lent.lease, None)

    def _accept(self, listener: socket.socket, port: int) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            sock, peer = listener.accept()
            lease = self._leases.claim(port, peer[0], monotonic_s())
            lent = self._lent.pop(lease, None) if lease is not None else None
            if lent is None or lent.arrived.done():
                sock.close()
            else:
                lent.arrived.set_result(sock)
