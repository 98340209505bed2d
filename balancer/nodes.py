"""The nodes as this balancer knows them: their health, and the sessions on them."""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

import msgspec

from balancer.core.choose_node import Choice, NodeView, Wish, choose_node
from balancer.core.fading import Fading
from balancer.core.features import common
from balancer.core.node_health import NodeHealth, ProbeFailed, ProbePassed, after_failed_connection, after_probe
from balancer.core.upload_room import Room, room_for_upload
from cluster.balancer_settings import Pool, Probe
from cluster.health import BalancedNode, NodeState
from cluster.log import logger
from cluster.settings import Node

log = logger(__name__)


_HALF_LIFE_S: Final = 60.0
"""Of what schedulers remember: sessions, bytes and failures."""

_TO_LEAVE: Final = frozenset({NodeState.DRAINING, NodeState.FAILED})
"""A node that says this of itself is left by its sessions; one that is joining again keeps them."""


class Tenant(Protocol):
    """A session on a node."""

    def node_is_down(self, why: str) -> None:
        """The node is dead: do not wait for TCP to say so."""

    def node_drains(self) -> None:
        """The node wants to be left."""


class NodeKnowledge(msgspec.Struct, frozen=True):
    """What probes found out about one node."""

    health: NodeHealth
    said: ProbePassed


class _Known:
    """What is known of one node, beside its settings."""

    def __init__(self, name: str) -> None:
        self.health = NodeHealth(name)
        self.said = ProbePassed(NodeState.READY)
        self.up_since_s = -math.inf
        self.features: frozenset[str] | None = None
        self.banned: frozenset[str] = frozenset()
        self.tenants: set[Tenant] = set()
        self.sessions = self.bytes = self.failures = Fading(_HALF_LIFE_S)


class Nodes:
    """All nodes; `clock` never goes back."""

    def __init__(
        self, nodes: Mapping[str, Node], probe: Probe, clock: Callable[[], float], most_waiting: int = 0
    ) -> None:
        self._settings = nodes
        self._probe = probe
        self._most_waiting = most_waiting
        self._waiting: list[asyncio.Future[None]] = []
        self._clock = clock
        self._known = {name: _Known(name) for name in nodes}

    async def choose(self, wish: Wish) -> Choice:
        """The node for a session that wishes so (see core.choose_node)."""
        return self.choose_now(wish)

    def choose_now(self, wish: Wish) -> Choice:
        """As `choose`, by who knows all."""
        choice = self.advise(wish)
        if choice.node is not None:
            known = self._known[choice.node]
            known.sessions = known.sessions.plus(1, self._clock())
        return choice

    def advise(self, wish: Wish) -> Choice:
        """The node that a session would get; nothing is counted."""
        now_s = self._clock()
        wish = msgspec.structs.replace(wish, slow_start_s=self._probe.slow_start_s)
        return choose_node([self._view(name, now_s) for name in self._known], wish)

    def room(self, pool: Pool | None, node: str) -> tuple[Room, dict[str, str]]:
        """Where an upload of a session on `node` may go, and of each node that is full why it is."""
        now_s = self._clock()
        views = [self._view(name, now_s) for name in self._known]
        full = {view.health.node: view.disk_full for view in views if view.disk_full}
        return room_for_upload(views, pool, node), full

    async def has_room(self, wait_s: float) -> bool:
        """Wait until a session has left a node; who waits longest is first to choose. False when `wait_s` is over.

        False at once when too many wait already.
        """
        if len(self._waiting) >= self._most_waiting:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(wait_s):
                await turn
        except TimeoutError:
            return False
        finally:
            self._waiting.remove(turn)
        return True

    @property
    def waiting(self) -> int:
        """How many logins wait for room."""
        return len(self._waiting)

    def serving(self) -> frozenset[str]:
        """The nodes that can be asked something."""
        return frozenset(name for name, known in self._known.items() if known.health.serves)

    def features(self) -> tuple[str, ...]:
        """What every node that was asked can do, and the balancer carry."""
        return common(known.features for known in self._known.values() if known.features is not None)

    def who_banned(self, client: str) -> str | None:
        """The node that has banned this client's address, if one has."""
        return next((name for name, known in self._known.items() if client in known.banned), None)

    def moves_in(self, node: str, tenant: Tenant) -> None:
        """A session is on `node` now, or on its way there."""
        self._known[node].tenants.add(tenant)

    def moves_out(self, node: str, tenant: Tenant) -> None:
        """A session left `node`."""
        self._known[node].tenants.discard(tenant)
        for turn in self._waiting:  # all, in their order: this room may be in the pool of any of them
            if not turn.done():
                turn.set_result(None)

    def connection_failed(self, node: str, why: str) -> None:
        """A session could not reach `node`."""
        self.lost_a_session(node)
        self.take_out(node, why)

    def take_out(self, node: str, why: str) -> None:
        """Send nobody to `node` until probes say otherwise."""
        self._set(after_failed_connection(self._known[node].health, why, self._clock()))

    def lost_a_session(self, node: str) -> None:
        """A session had to leave `node`, which closed, reset, hung or died."""
        known = self._known[node]
        known.failures = known.failures.plus(1, self._clock())

    def carried(self, node: str, size_bytes: int) -> None:
        """A transfer is over; `node` is empty where it came to none."""
        if node:
            known = self._known[node]
            known.bytes = known.bytes.plus(size_bytes, self._clock())

    def probed(self, node: str, outcome: ProbePassed | ProbeFailed) -> None:
        """A probe is over: sessions leave a node that is down at once, one that drains as soon as they can.

        Where no other node is fit for them they stay: there is nowhere better to wait. When the time of a drain is
        over they leave at once, too: uploads are repeated elsewhere, downloads continued.
        """
        known = self._known[node]
        after = after_probe(known.health, outcome, self._probe, self._clock())
        if isinstance(outcome, ProbePassed):
            known.said = outcome
            known.features = known.features if outcome.features is None else outcome.features
            known.banned = known.banned if outcome.banned is None else outcome.banned
        self._set(after)
        others = [other.health for name, other in self._known.items() if name != node]
        tenants = tuple(known.tenants)
        if not after.up:
            if any(other.serves for other in others):
                for tenant in tenants:
                    tenant.node_is_down(after.why)
        elif after.state in _TO_LEAVE and any(other.usable for other in others):
            overdue = isinstance(outcome, ProbePassed) and outcome.is_overdue
            for tenant in tenants:
                if overdue:
                    tenant.node_is_down("the time of its drain is over")
                else:
                    tenant.node_drains()

    def knowledge(self) -> tuple[NodeKnowledge, ...]:
        """What is known of each node, for another process to know as well."""
        return tuple(
            NodeKnowledge(
                known.health,
                msgspec.structs.replace(known.said, features=known.features, banned=known.banned),
            )
            for known in self._known.values()
        )

    def learn(self, knowledge: Iterable[NodeKnowledge]) -> None:
        """Know what another process knows."""
        for one in knowledge:
            known = self._known[one.health.node]
            known.health, known.said, known.features = one.health, one.said, one.said.features
            known.banned = one.said.banned or frozenset()

    def document(self, transfers: Mapping[str, int]) -> tuple[BalancedNode, ...]:
        """The nodes for the health document; `transfers` are in progress there."""
        return tuple(
            BalancedNode(
                node=name,
                usable=known.health.usable,
                state=known.health.state,
                sessions=len(known.tenants),
                transfers=transfers.get(name, 0),
                why=known.health.why or known.said.disk_full or known.said.cut_off,
            )
            for name, known in self._known.items()
        )

    def _view(self, name: str, now_s: float) -> NodeView:
        known, settings = self._known[name], self._settings[name]
        return NodeView(
            known.health,
            sessions=len(known.tenants),
            weight=settings.weight,
            max_sessions=settings.max_sessions,
            up_for_s=now_s - known.up_since_s,
            recent_sessions=known.sessions.now(now_s),
            recent_bytes=known.bytes.now(now_s),
            recent_failures=known.failures.now(now_s),
            disk_free=known.said.disk_free,
            disk_full=known.said.disk_full,
            cut_off=known.said.cut_off,
            backlog_files=known.said.backlog_files,
            read_only=settings.read_only,
        )

    def _set(self, health: NodeHealth) -> None:
        known = self._known[health.node]
        before, known.health = known.health, health
        if health.up and not before.up:
            known.up_since_s = self._clock()
        if (before.up, before.state) != (health.up, health.state):
            log.info("node", node=health.node, usable=health.usable, state=health.state.value, why=health.why)
