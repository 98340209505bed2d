"""Chooses the node for a session: who may have it, and among these the one that costs least, or the client's own."""

import hashlib
import math
from collections.abc import Iterable
from typing import Final, assert_never

import msgspec

from balancer.core.node_health import NodeHealth
from cluster.balancer_settings import Pool, Scheduler
from cluster.health import NodeState

_LEAST_SHARE: Final = 0.1
"""Of a node that has just come up: never nothing, so that it is tried."""

_LEAST_FITNESS: Final = 0.01
_BACKLOG_FILES: Final = 1000
"""A node that lacks so many files counts as half as fit."""

_FULL: Final = "full"
_TIERS: Final = {NodeState.READY: 0, NodeState.JOINING: 1, NodeState.DRAINING: 2}
"""What a node says of itself, best first; one that has failed takes nothing."""


class NodeView(msgspec.Struct, frozen=True):
    """A node as a choice sees it.

    `up_for_s`: since it came up. The `recent` figures fade with time; failures are sessions that lost it or did not
    reach it. `disk_free` is a share of the whole; `disk_full` says why it takes no uploads, where it takes none;
    `cut_off` says why its files and the others' do not meet, where canaries tell so; `backlog_files` is what its
    replicator still wants from others. A `read_only` one takes no changes.
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
    disk_full: str = ""
    cut_off: str = ""
    backlog_files: int = 0
    read_only: bool = False

    @property
    def is_full(self) -> bool:
        """Whether it takes no new session."""
        return self.max_sessions is not None and self.sessions >= self.max_sessions


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: never a node in `avoid`; by `scheduler`, or always the same for one `key`.

    `pool`: where the session may go, and where only if nothing of the pool is usable; None: to any node.
    `slow_start_s`: how long after coming up a node's share grows. `moves`: the session stood before and must go on
    somewhere, so a full node takes it too. `reads`: for a download, which a node that lacks nothing serves best.
    `mirrors`: nothing will be changed, so a read-only node will do.
    """

    avoid: frozenset[str] = frozenset()
    key: str | None = None
    scheduler: Scheduler = "least-sessions"
    pool: Pool | None = None
    slow_start_s: float = 0.0
    moves: bool = False
    reads: bool = False
    mirrors: bool = False


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The node, or None; and of each node in a few words why it was not taken, or was.

    `full`: only for want of room there is none, so that waiting may help.
    """

    node: str | None
    verdicts: dict[str, str]
    full: bool = False


def choose_node(nodes: Iterable[NodeView], wish: Wish) -> Choice:
    """The best node, or none.

    Ready nodes of the pool come first, then its ready backups, then those of both that are cut off from other nodes,
    then those whose disks are full (which serve a download as well as any), then joining nodes, then draining ones. One
    that is down is chosen where nobody else is left to ask: its probes may be wrong, and a knock costs less than a
    client's error.
    """
    views = tuple(view for view in nodes if is_in(view, wish.pool))
    obstacles = {view.health.node: _obstacle(view, wish) for view in views}
    free = [view for view in views if not obstacles[view.health.node]]
    others = [view for view in views if view.health.node not in wish.avoid and (wish.mirrors or not view.read_only)]
    anybody_serves = any(view.health.serves for view in others)
    best = _best_tier(free, wish) if anybody_serves else [view for view in free if not view.health.up]
    costs = {view.health.node: cost(view, wish) for view in best}
    chosen = None
    if wish.key is not None and best:
        chosen = _of_key(wish.key, best)
    elif best:
        chosen = min(costs, key=lambda node: (costs[node], node))
    verdicts = {
        view.health.node: obstacles[view.health.node] or _verdict(view, wish, chosen, costs.get(view.health.node))
        for view in views
    }
    return Choice(node=chosen, verdicts=verdicts, full=chosen is None and _FULL in obstacles.values())


def refusal(*, full: bool) -> tuple[str, str]:
    """The text of the 421 for a session that no node takes, and the word for the access log."""
    if full:
        return "Every node has as many sessions as it may; please try again later.", "nodes-full"
    return "No node can take this session now; please try again later.", "no-node"


def _verdict(view: NodeView, wish: Wish, chosen: str | None, costs: float | None) -> str:
    """Why a node that nothing forbids was taken, or not."""
    health = view.health
    if costs is None:
        ready = health.up and health.state is NodeState.READY
        if ready and (view.disk_full or view.cut_off):
            return view.disk_full or view.cut_off
        return "a backup, and not needed" if ready else f"{health.state.value if health.up else 'down'}: {health.why}"
    if wish.key is not None:
        return f"chosen: always for {wish.key}" if health.node == chosen else f"another one is for {wish.key}"
    return f"{'chosen: ' if health.node == chosen else ''}costs {costs:.3g} by {wish.scheduler}"


def is_in(view: NodeView, pool: Pool | None) -> bool:
    """Whether sessions of `pool` may go there; None stands for all nodes."""
    return pool is None or view.health.node in pool.nodes or view.health.node in pool.backup


def _obstacle(view: NodeView, wish: Wish) -> str:
    """What forbids this node, whatever the others are; empty when nothing does."""
    if view.health.node in wish.avoid:
        return "tried already"
    if view.read_only and not wish.mirrors:
        return "read-only"
    return _FULL if view.is_full and not wish.moves else ""


def _best_tier(views: Iterable[NodeView], wish: Wish) -> list[NodeView]:
    """Those that are up and as good as any: no scheduler prefers a node of a worse tier."""
    tiers: dict[tuple[int, bool, bool, bool], list[NodeView]] = {}
    for view in views:
        if view.health.serves:
            is_backup = wish.pool is not None and view.health.node not in wish.pool.nodes
            is_full = bool(view.disk_full) and not (wish.reads or wish.mirrors)
            tier = (_TIERS[view.health.state], is_full, bool(view.cut_off), is_backup)
            tiers.setdefault(tier, []).append(view)
    return tiers[min(tiers)] if tiers else []


def cost(view: NodeView, wish: Wish) -> float:
    """What one more session costs on this node; comparable under one wish."""
    grown = 1.0 if view.up_for_s >= wish.slow_start_s else max(_LEAST_SHARE, view.up_for_s / wish.slow_start_s)
    share = view.weight * grown
    if wish.reads and view.backlog_files:
        share *= _LEAST_SHARE  # what it lacks it must fetch first
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
