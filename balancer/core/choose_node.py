"""Chooses the node for a session."""

import hashlib
from collections.abc import Iterable

import msgspec

from balancer.core.node_health import NodeHealth
from cluster.health import NodeState


class NodeView(msgspec.Struct, frozen=True):
    """A node as a choice sees it."""

    health: NodeHealth
    sessions: int = 0


def choose_node(nodes: Iterable[NodeView], *, avoid: frozenset[str], client: str | None) -> str | None:
    """The best node outside `avoid`, or None.

    Ready nodes come first, then joining ones, then draining ones; a node that is down is never chosen. Among equals
    the one with the fewest sessions; with a `client` (persistence by address) always the same one for that address,
    and when nodes come or go only the addresses of those nodes change (rendezvous hashing).
    """
    candidates = [view for view in nodes if view.health.node not in avoid and view.health.up]
    for state in (NodeState.READY, NodeState.JOINING, NodeState.DRAINING):
        equals = [view for view in candidates if view.health.state is state]
        if equals and client is not None:
            return max(equals, key=lambda view: _weight(client, view.health.node)).health.node
        if equals:
            return min(equals, key=lambda view: (view.sessions, view.health.node)).health.node
    return None


def _weight(client: str, node: str) -> bytes:
    return hashlib.blake2b(f"{client}\0{node}".encode(), digest_size=8).digest()
