"""Judges a node by its probes: rise and fall, and what its own health document says."""

import msgspec

from cluster.balancer_settings import Probe
from cluster.health import NodeState


class NodeHealth(msgspec.Struct, frozen=True):
    """What the balancer believes of a node.

    `up` is about reaching it, `state` is what it says of itself. `streak` counts probes in a row that speak against
    `up`. A node is believed to be up until the first probe says otherwise.
    """

    node: str
    up: bool = True
    state: NodeState = NodeState.READY
    streak: int = 0
    why: str = "not probed yet"

    @property
    def usable(self) -> bool:
        """Whether new sessions go there."""
        return self.up and self.state is NodeState.READY


class ProbePassed(msgspec.Struct, frozen=True, tag=True):
    """The node greets, logs in, and says `state` of itself; how much of its disk is free (a share), and its backlog."""

    state: NodeState
    why: str = ""
    disk_free: float = 1.0
    backlog_files: int = 0


class ProbeFailed(msgspec.Struct, frozen=True, tag=True):
    """The node does not do what it must; `silent`: it did not answer at all for as long as it may take."""

    why: str
    silent: bool = False


def after_probe(health: NodeHealth, outcome: ProbePassed | ProbeFailed, probe: Probe) -> NodeHealth:
    """What to believe after one more probe: `probe.fall` failures in a row take a node out, `probe.rise` put it in.

    A silent node is out at once: the wait was long enough, and every session on it waits too.
    """
    match outcome:
        case ProbeFailed(why, silent):
            if not health.up:
                return NodeHealth(health.node, up=False, state=NodeState.FAILED, streak=0, why=why)
            streak = health.streak + 1
            down = silent or streak >= probe.fall
            state = NodeState.FAILED if down else health.state
            return NodeHealth(health.node, up=not down, state=state, streak=0 if down else streak, why=why)
        case ProbePassed(state=state, why=why):
            if health.up:
                return NodeHealth(health.node, up=True, state=state, streak=0, why=why)
            streak = health.streak + 1
            risen = streak >= probe.rise
            waiting = why or f"{streak} of {probe.rise} probes passed"
            shown = state if risen else NodeState.FAILED
            return NodeHealth(health.node, up=risen, state=shown, streak=0 if risen else streak, why=waiting)


def after_failed_connection(health: NodeHealth, why: str) -> NodeHealth:
    """What to believe when a session could not reach the node: it is out at once, and probes put it in again."""
    return NodeHealth(health.node, up=False, state=NodeState.FAILED, streak=0, why=why)
