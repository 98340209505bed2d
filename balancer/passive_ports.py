"""The passive ports on the VIP: one listener each, and lent to sessions.

A connection is matched by its port and the client's address; anybody else's is closed without a word, and the lease
stays.
"""

import asyncio
import functools
import random
import socket
from collections.abc import Iterable, Mapping

from balancer.core.leases import Lease, Leases, ports_to_keep
from balancer.door import Address, Door
from cluster.clock import monotonic_s


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
    """All of them; none is lent before `hold` and `use`. The sockets are somebody else's to close."""

    def __init__(self, chance: random.Random) -> None:
        self._listeners: Mapping[int, socket.socket] = {}
        self._chance = chance
        self._doors: dict[int, Door] = {}
        self._leases = Leases(())
        self._lent: dict[Lease, LentPort] = {}

    @property
    def free(self) -> int:
        """How many more leases there may be at the worst."""
        return self._leases.free

    def hold(self, listeners: Mapping[int, socket.socket]) -> None:
        """Know the sockets that listen on the ports."""
        self._listeners = listeners

    def use(self, ports: Iterable[int]) -> None:
        """Accept on these alone, and lend them from now on."""
        wanted = set(ports)
        for port in self._doors.keys() - wanted:
            self._doors.pop(port).shut()
        for port in wanted - self._doors.keys():
            self._doors[port] = Door(self._listeners[port], functools.partial(self._came, port))
        self._leases.lend_only(sorted(wanted))

    def keep_few(self) -> tuple[int, ...]:
        """Use no more than what sessions that come to their end need; returns which these are."""
        kept = ports_to_keep(sorted(self._doors), self._leases.lent(monotonic_s()))
        self.use(kept)
        return kept

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

    def _came(self, port: int, sock: socket.socket, client: Address) -> None:
        lease = self._leases.claim(port, client[0], monotonic_s())
        lent = self._lent.pop(lease, None) if lease is not None else None
        if lent is None or lent.arrived.done():
            sock.close()
        else:
            lent.arrived.set_result(sock)
