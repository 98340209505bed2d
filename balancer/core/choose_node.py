"""Chooses the node for a session: who may have it, and among these the one that costs least, or the client's own."""

import hashlib
import math
from collections.abc import Iterable
from typing import Final, assert_never

import msgspec

from balancer.core.node_health import NodeHealth
from cluster.balancer_settings import Scheduler
from cluster.health import NodeState

_LEAST_SHARE: Final = 0.1
"""Of a node that has just come up: never nothing, so that it is tried."""

_LEAST_FITNESS: Final = 0.01
_BACKLOG_FILES: Final = 1000
"""A node that lacks so many files counts as half as fit."""


class NodeView(msgspec.Struct, frozen=True):
    """A node as a choice sees it.

    `up_for_s`: since it came up. The `recent` figures fade with time; failures are sessions that lost it or did not
    reach it. `disk_free` is a share of the whole; `backlog_files` is what its replicator still wants from others.
    """

    health: NodeHealth
    sessions: int = 0
    weight: int = 1
    max_sessions: int | None = None
    up_for_s: float = math.inf
    recent_sessions: float = 0.0
    recent_bytes: float = 0.0
    recent_failures: float = 0.0
    disk_free: float = 1.0
    backlog_files: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it takes no new session."""
        return self.max_sessions is not None and self.sessions >= self.max_sessions


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: never a node in `avoid`; by `scheduler`, or always the same for one `key`.

    `slow_start_s`: how long after coming up a node's share grows. `moves`: the session stood before and must go on
    somewhere, so a full node takes it too.
    """

    avoid: frozenset[str] = frozenset()
    key: str | None = None
    scheduler: Scheduler = "least-sessions"
    slow_start_s: float = 0.0
    moves: bool = False


def choose_node(nodes: Iterable[NodeView], wish: Wish) -> str | None:
    """The best node, or None.

    Ready nodes come first, then joining ones, then draining ones; one that is down is chosen only when all are: then
    a probe may be wrong, and knocking costs nothing.
    """
    views = tuple(nodes)
    candidates = [view for view in views if view.health.node not in wish.avoid and (wish.moves or not view.is_full)]
    if any(view.health.up for view in views):
        candidates = [view for view in candidates if view.health.up]
        for state in (NodeState.READY, NodeState.JOINING, NodeState.DRAINING):
            equals = [view for view in candidates if view.health.state is state]
            if equals:
                candidates = equals
                break
        else:
            return None
    if not candidates:
        return None
    if wish.key is not None:
        return _of_key(wish.key, candidates)
    return min(candidates, key=lambda view: (cost(view, wish), view.health.node)).health.node


def cost(view: NodeView, wish: Wish) -> float:
    """What one more session costs on this node; comparable under one wish."""
    grown = 1.0 if view.up_for_s >= wish.slow_start_s else max(_LEAST_SHARE, view.up_for_s / wish.slow_start_s)
    share = view.weight * grown
    match wish.scheduler:
        case "least-sessions":
            return (view.sessions + 1) / share
        case "round-robin":
            return (view.recent_sessions + 1) / share
        case "least-bytes":
            return (view.recent_bytes + 1) / share
        case "adaptive":
            return (view.sessions + 1) / (share * fitness(view))
        case _:
            assert_never(wish.scheduler)


def fitness(view: NodeView) -> float:
    """1 for a node that is well; less for a full disk, a backlog, and what failed of late."""
    found = view.disk_free / (1 + view.backlog_files / _BACKLOG_FILES) / (1 + view.recent_failures)
    return max(_LEAST_FITNESS, found)


def _of_key(key: str, candidates: list[NodeView]) -> str:
    """Weighted rendezvous hashing: when nodes come or go, only the keys of those nodes change theirs."""
    return max(candidates, key=lambda view: -view.weight / math.log(_chance(key, view.health.node))).health.node


def _chance(key: str, node: str) -> float:
    """Between 0 and 1, both excluded, and always the same for this pair."""
    digest = hashlib.blake2b(f"{key}\0{node}".encode("utf-8", "surrogateescape"), digest_size=6).digest()
    return (int.from_bytes(digest) + 0.5) / 2**48
