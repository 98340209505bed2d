"""The nodes as this balancer knows them: their health, and the sessions on them."""

from collections.abc import Iterable
from typing import Final, Protocol

from balancer.core.choose_node import NodeView, choose_node
from balancer.core.node_health import NodeHealth, ProbeFailed, ProbePassed, after_failed_connection, after_probe
from cluster.health import BalancedNode, NodeState
from cluster.log import logger
from cluster.settings import Probe

log = logger(__name__)


_TO_LEAVE: Final = frozenset({NodeState.DRAINING, NodeState.FAILED})
"""A node that says this of itself is left by its sessions; one that is joining again keeps them."""


class Tenant(Protocol):
    """A session on a node."""

    @property
    def transferring(self) -> bool:
        """Whether a transfer is in progress."""

    def node_is_down(self, why: str) -> None:
        """The node is dead: do not wait for TCP to say so."""

    def node_drains(self) -> None:
        """The node wants to be left."""


class Nodes:
    """All nodes."""

    def __init__(self, names: Iterable[str], probe: Probe) -> None:
        self._probe = probe
        self._health = {name: NodeHealth(name) for name in names}
        self._tenants: dict[str, set[Tenant]] = {name: set() for name in self._health}

    def choose(self, avoid: frozenset[str], client: str | None) -> str | None:
        """The node for a session; `client` where the service keeps a client's address on one node."""
        views = [NodeView(health, len(self._tenants[name])) for name, health in self._health.items()]
        return choose_node(views, avoid=avoid, client=client)

    def moves_in(self, node: str, tenant: Tenant) -> None:
        """A session is on `node` now."""
        self._tenants[node].add(tenant)

    def moves_out(self, node: str, tenant: Tenant) -> None:
        """A session left `node`."""
        self._tenants[node].discard(tenant)

    def connection_failed(self, node: str, why: str) -> None:
        """A session could not reach `node`."""
        self._set(after_failed_connection(self._health[node], why))

    def probed(self, node: str, outcome: ProbePassed | ProbeFailed) -> None:
        """A probe is over: sessions leave a node that is down at once, one that drains as soon as they can.

        Where no other node is up they stay: there is nowhere better to wait.
        """
        before = self._health[node]
        after = after_probe(before, outcome, self._probe)
        self._set(after)
        tenants = tuple(self._tenants[node])
        if not after.up and any(health.up for name, health in self._health.items() if name != node):
            for tenant in tenants:
                tenant.node_is_down(after.why)
        elif after.up and after.state in _TO_LEAVE and before.state is not after.state:
            for tenant in tenants:
                tenant.node_drains()

    def document(self) -> tuple[BalancedNode, ...]:
        """The nodes for the health document."""
        return tuple(
            BalancedNode(
                node=name,
                usable=health.usable,
                state=health.state,
                sessions=len(self._tenants[name]),
                transfers=sum(tenant.transferring for tenant in self._tenants[name]),
                why=health.why,
            )
            for name, health in self._health.items()
        )

    def _set(self, health: NodeHealth) -> None:
        before = self._health[health.node]
        self._health[health.node] = health
        if (before.up, before.state) != (health.up, health.state):
            log.info("node", node=health.node, usable=health.usable, state=health.state.value, why=health.why)
