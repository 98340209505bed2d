"""Chooses the node for a session."""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from balancer.core.node_health import NodeHealth
from cluster.health import NodeState


class NodeView(msgspec.Struct, frozen=True):
    """A node as a choice sees it."""

    health: NodeHealth
    sessions: int = 0


def choose_node(nodes: Iterable[NodeView], *, avoid: frozenset[str], client: str | None) -> str | None:
    """The best node outside `avoid`, or None.

    Ready nodes come first, then joining ones, then draining ones; one that is down is chosen only when all are: then
    a probe may be wrong, and knocking costs nothing. Among equals the one with the fewest sessions; with a `client`
    (persistence by address) always the same one for that address, and when nodes come or go only the addresses of
    those nodes change (rendezvous hashing).
    """
    views = tuple(nodes)
    candidates = [view for view in views if view.health.node not in avoid]
    if not any(view.health.up for view in views):
        return _best(candidates, client)
    for state in (NodeState.READY, NodeState.JOINING, NodeState.DRAINING):
        equals = [view for view in candidates if view.health.up and view.health.state is state]
        if equals:
            return _best(equals, client)
    return None


def _best(equals: Sequence[NodeView], client: str | None) -> str | None:
    if not equals:
        return None
    if client is not None:
        return max(equals, key=lambda view: _weight(client, view.health.node)).health.node
    return min(equals, key=lambda view: (view.sessions, view.health.node)).health.node


def _weight(client: str, node: str) -> bytes:
    return hashlib.blake2b(f"{client}\0{node}".encode(), digest_size=8).digest()
