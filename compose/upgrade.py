"""A rolling upgrade: one node after the other is emptied, restarted and awaited, then the balancer hands over.

It begins only where all is well, and stops at the first trouble: the node in question stays drained, so that nobody
meets it, and all others serve.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from cluster.clock import monotonic_s
from cluster.upgrade_settings import Upgrade
from compose.status import ClusterStatus, has_caught_up, nodes_in_sync, why_not_well

BALANCER: Final = "balancer"
_LOOK_EVERY_S: Final = 0.2
_BEGIN_S: Final = 30.0
_PATIENCE_S: Final = 5.0
"""How much longer than told a drain may take until the balancer has seen that its time is over."""


class UpgradeFailedError(Exception):
    """The upgrade stopped; the message says where, why, and how things stand."""


class Ground(Protocol):
    """What an upgrade works on: a cluster, and a way to restart its programs. UpgradeFailedError from each."""

    def status(self) -> ClusterStatus:
        """How everything is now."""
        ...

    def drain(self, node: str, deadline_s: float) -> None:
        """Let the node's sessions leave."""
        ...

    def enable(self, node: str) -> None:
        """Let sessions come to the node."""
        ...

    def restart(self, node: str) -> None:
        """Stop the programs of a node and start them by the code that is installed now."""
        ...

    def hand_over(self) -> None:
        """Let a new balancer take over; return when it serves."""
        ...


class RollingUpgrade:
    """One upgrade; `done` lists what is finished, `say` takes a line for every step."""

    def __init__(self, ground: Ground, settings: Upgrade, say: Callable[[str], None]) -> None:
        self.done: list[str] = []
        self._ground = ground
        self._settings = settings
        self._say = say

    def run(self, nodes: Sequence[str], *, balancer: bool) -> None:
        """Upgrade these nodes in this order, then the balancer; UpgradeFailedError."""
        self._demand_all_well()
        for node in nodes:
            self._upgrade(node)
            self.done.append(node)
        if balancer:
            self._say("balancer: a new one takes over")
            self._ground.hand_over()
            self._wait(lambda status: not why_not_well(status), "the new balancer does not find all well")
            self._say("balancer: upgraded")
            self.done.append(BALANCER)

    def _demand_all_well(self) -> None:
        """A node that is not well may be the only one that has something, or its peer may go next."""
        if not self._wait_for(lambda status: not why_not_well(status), _BEGIN_S):
            raise UpgradeFailedError(f"not begun: {why_not_well(self._ground.status())}")
        if not self._all_get_in_sync("", _BEGIN_S):
            raise UpgradeFailedError("not begun: not every node has what the others have")

    def _upgrade(self, node: str) -> None:
        self._say(f"{node}: drained")
        self._ground.drain(node, self._settings.drain_s)
        if not self._wait_for(lambda status: _is_empty(status, node), self._settings.drain_s + _PATIENCE_S):
            found = self._ground.status().nodes[node]
            self._say(f"{node}: {found.sessions if found else 'no'} sessions remain, and are cut")
        began_s = monotonic_s()
        self._say(f"{node}: restarted")
        self._ground.restart(node)
        stays = f"{node} stays drained: look after it, then `tripod enable {node}`"
        self._wait(lambda status: _is_new(status, node, monotonic_s() - began_s), f"{node} was not restarted; {stays}")
        if not self._all_get_in_sync(node, self._settings.ready_s):
            raise UpgradeFailedError(f"after {self._settings.ready_s:g} s {node} is not in sync; {stays}")
        self._ground.enable(node)
        self._wait(lambda status: not why_not_well(status), f"{node} is enabled, and not all is well")
        self._say(f"{node}: upgraded")

    def _all_get_in_sync(self, drained: str, timeout_s: float) -> bool:
        """Whether every node is in sync at some moment, each at its own: under load something is always on its way.

        The `drained` one, if any, tells the others nothing but what it hears of them: it need only have caught up.
        """
        seen: set[str] = set()

        def look(status: ClusterStatus) -> bool:
            seen.update(nodes_in_sync(status))
            found = status.nodes.get(drained)
            if found is not None and has_caught_up(found):
                seen.add(drained)
            return seen >= status.nodes.keys()

        return self._wait_for(look, timeout_s)

    def _wait(self, condition: Callable[[ClusterStatus], bool], trouble: str) -> None:
        if not self._wait_for(condition, self._settings.ready_s):
            why = why_not_well(self._ground.status())
            raise UpgradeFailedError(f"after {self._settings.ready_s:g} s {trouble} ({why})")

    def _wait_for(self, condition: Callable[[ClusterStatus], bool], timeout_s: float) -> bool:
        deadline_s = monotonic_s() + timeout_s
        pause = threading.Event()  # nobody sets it
        while not condition(self._ground.status()):
            if monotonic_s() > deadline_s:
                return False
            pause.wait(_LOOK_EVERY_S)
        return True


def _is_empty(status: ClusterStatus, node: str) -> bool:
    """Whether the balancer has seen the drain, and nobody is on the node: neither through it nor directly."""
    itself = status.nodes[node]
    seen = [one for one in status.balancer.nodes if one.node == node] if status.balancer else []
    return itself is not None and not itself.sessions and all(not one.usable and not one.sessions for one in seen)


def _is_new(status: ClusterStatus, node: str, passed_s: float) -> bool:
    """Whether the node's program began within the last `passed_s`."""
    itself = status.nodes[node]
    return itself is not None and itself.uptime_s < passed_s
