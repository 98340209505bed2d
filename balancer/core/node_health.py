"""Judges a node by its probes: rise and fall, and what its own health document says."""

from typing import Final

import msgspec

from balancer.core.fading import Fading
from cluster.balancer_settings import Probe
from cluster.health import NodeState

_FLAPPING_S: Final = 120.0
_MOST_DOUBLINGS: Final = 5


class NodeHealth(msgspec.Struct, frozen=True):
    """What the balancer believes of a node.

    `up` is about reaching it, `state` is what it says of itself. `streak` counts probes in a row that speak against
    `up`. A node is believed to be up until the first probe says otherwise. `falls` are those of late: a node that goes
    up and down must prove itself for longer each time, for every fall moves its sessions.
    """

    node: str
    up: bool = True
    state: NodeState = NodeState.READY
    streak: int = 0
    why: str = "not probed yet"
    falls: Fading = Fading(_FLAPPING_S)

    @property
    def usable(self) -> bool:
        """Whether new sessions go there."""
        return self.up and self.state is NodeState.READY

    @property
    def serves(self) -> bool:
        """Whether a session that must go on can go on there."""
        return self.up and self.state is not NodeState.FAILED


class ProbePassed(msgspec.Struct, frozen=True, tag=True):
    """The node greets, logs in, and says `state` of itself; how much of its disk is free (a share), and its backlog.

    `disk_full`: why it takes no uploads, where it takes none. `cut_off`: why its files and the others' do not meet,
    where canaries (see core.canaries) tell so. `features` (see core.features) and `banned` client
    addresses are None where this probe did not ask. `drain_left_s`: how long its sessions may still take, where it
    drains and has a deadline.
    """

    state: NodeState
    why: str = ""
    disk_free: float = 1.0
    disk_full: str = ""
    cut_off: str = ""
    backlog_files: int = 0
    features: frozenset[str] | None = None
    banned: frozenset[str] | None = None
    drain_left_s: float | None = None

    @property
    def is_overdue(self) -> bool:
        """Whether the time that its sessions had to leave it is over."""
        return self.state is NodeState.DRAINING and self.drain_left_s is not None and self.drain_left_s <= 0


class ProbeFailed(msgspec.Struct, frozen=True, tag=True):
    """The node does not do what it must; `silent`: it did not answer at all for as long as it may take."""

    why: str
    silent: bool = False


def after_probe(health: NodeHealth, outcome: ProbePassed | ProbeFailed, probe: Probe, now_s: float) -> NodeHealth:
    """What to believe after one more probe: `probe.fall` failures in a row take a node out, `probe.rise` put it in.

    A silent node is out at once: the wait was long enough, and every session on it waits too. After a second fall
    within minutes twice as many probes must pass, after a third four times as many, and so on.
    """
    match outcome:
        case ProbeFailed(why, silent):
            if not health.up:
                return msgspec.structs.replace(health, state=NodeState.FAILED, streak=0, why=why)
            streak = health.streak + 1
            if silent or streak >= probe.fall:
                return _fallen(health, why, now_s)
            return msgspec.structs.replace(health, streak=streak, why=why)
        case ProbePassed(state=state, why=why):
            if health.up:
                return msgspec.structs.replace(health, state=state, streak=0, why=why)
            streak, wanted = health.streak + 1, probes_to_rise(health, probe, now_s)
            if streak >= wanted:
                return msgspec.structs.replace(health, up=True, state=state, streak=0, why=why)
            waiting = why or f"{streak} of {wanted} probes passed"
            return msgspec.structs.replace(health, state=NodeState.FAILED, streak=streak, why=waiting)


def probes_to_rise(health: NodeHealth, probe: Probe, now_s: float) -> int:
    """How many probes in a row must pass before the node is up again."""
    again = max(0, round(health.falls.now(now_s)) - 1)
    return int(probe.rise * 2 ** min(again, _MOST_DOUBLINGS))


def after_failed_connection(health: NodeHealth, why: str, now_s: float) -> NodeHealth:
    """What to believe when a session could not reach the node: it is out at once, and probes put it in again."""
    if not health.up:
        return msgspec.structs.replace(health, state=NodeState.FAILED, streak=0, why=why)
    return _fallen(health, why, now_s)


def _fallen(health: NodeHealth, why: str, now_s: float) -> NodeHealth:
    falls = health.falls.plus(1, now_s)
    return NodeHealth(health.node, up=False, state=NodeState.FAILED, streak=0, why=why, falls=falls)
