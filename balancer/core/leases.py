"""Which passive port is lent to whom. A port may be lent to several addresses at once, never twice to the same."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

import msgspec

_KEPT_SHARE: Final = 8
"""A balancer that finishes its sessions keeps one in so many ports for them."""


class Lease(msgspec.Struct, frozen=True):
    """A passive port lent to the session of one client address, until a moment."""

    port: int
    client: str
    expires_s: float


class Leases:
    """The leases of some ports; of `ports` at first."""

    def __init__(self, ports: Iterable[int]) -> None:
        self._ports = tuple(ports)
        self._by_port: dict[int, dict[str, Lease]] = {port: {} for port in self._ports}
        self._count = 0

    def lend_only(self, ports: Iterable[int]) -> None:
        """Grant leases of these ports alone from now on; those that stand go on."""
        self._ports = tuple(ports)
        for port in self._ports:
            self._by_port.setdefault(port, {})

    def lent(self, now_s: float) -> frozenset[int]:
        """The ports to which somebody may still come."""
        return frozenset(
            port for port, leases in self._by_port.items() if any(lease.expires_s > now_s for lease in leases.values())
        )

    @property
    def free(self) -> int:
        """How many more leases any address may have at once, at the worst."""
        return max(0, len(self._ports) - self._count)

    def grant(self, client: str, now_s: float, lifetime_s: float, chance: Callable[[int], int]) -> Lease | None:
        """Lend the first free port from where `chance` (a number below its argument) says; None when there is none."""
        if not self._ports:
            return None
        start = chance(len(self._ports))
        for port in (*self._ports[start:], *self._ports[:start]):
            held = self._by_port[port].get(client)
            if held is None or held.expires_s <= now_s:
                self._count += held is None
                lease = Lease(port, client, now_s + lifetime_s)
                self._by_port[port][client] = lease
                return lease
        return None

    def claim(self, port: int, client: str, now_s: float) -> Lease | None:
        """The lease that a connection from `client` to `port` uses up; None for a stranger or one who is late."""
        lease = self._by_port.get(port, {}).get(client)
        if lease is None:
            return None
        self.release(lease)
        return lease if now_s < lease.expires_s else None

    def release(self, lease: Lease) -> None:
        """Take the port back; no harm when somebody else has it by now."""
        if self._by_port[lease.port].get(lease.client) is lease:
            del self._by_port[lease.port][lease.client]
            self._count -= 1


def ports_to_keep(ports: Sequence[int], lent: Collection[int]) -> tuple[int, ...]:
    """What a balancer keeps of its ports when another one takes over: those that are lent, and some for later leases.

    The rest is the other one's, so that no port is ever lent by both.
    """
    spare = [port for port in ports if port not in lent]
    wanted = -(-len(ports) // _KEPT_SHARE)
    return (*(port for port in ports if port in lent), *spare[: max(0, wanted - len(lent))])
