"""Who is in: how many sessions each client network has, and how fast new ones come."""

from typing import Final

from balancer.core.client_network import Bucket, network_of, refilled
from cluster.balancer_settings import ClientLimits

_MAX_NETWORKS: Final = 100_000


class Admission:
    """Bounds the clients of one network. Used by one thread."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._sessions: dict[str, int] = {}
        self._buckets: dict[str, Bucket] = {}

    def refusal(self, client: str, now_s: float) -> str:
        """Why a client may not come in now, in a line; empty when it may, and then it counts as a new one."""
        limits, network = self._limits, self._network(client)
        there = self._sessions.get(network, 0)
        if limits.sessions is not None and there >= limits.sessions:
            return f"Too many sessions from {network}; please try again later."
        if limits.new_sessions_per_s is not None:
            known = self._buckets.get(network, Bucket(limits.burst, now_s))
            tokens = refilled(known, limits.new_sessions_per_s, limits.burst, now_s)
            if tokens < 1:
                return f"New sessions from {network} come too fast; please try again later."
            self._note(network, Bucket(tokens - 1, now_s), limits.new_sessions_per_s)
        return ""

    def entered(self, client: str) -> None:
        """A client is in, asked or not, until it has `left`."""
        network = self._network(client)
        self._sessions[network] = self._sessions.get(network, 0) + 1

    def left(self, client: str) -> None:
        """A client that was in is gone."""
        network = self._network(client)
        self._sessions[network] -= 1
        if not self._sessions[network]:
            del self._sessions[network]

    def _network(self, client: str) -> str:
        return network_of(client, self._limits.prefix_v4, self._limits.prefix_v6)

    def _note(self, network: str, bucket: Bucket, per_s: float) -> None:
        if len(self._buckets) >= _MAX_NETWORKS and network not in self._buckets:
            burst = self._limits.burst
            known = self._buckets.items()
            self._buckets = {name: left for name, left in known if refilled(left, per_s, burst, bucket.at_s) < burst}
        if len(self._buckets) < _MAX_NETWORKS or network in self._buckets:
            self._buckets[network] = bucket
