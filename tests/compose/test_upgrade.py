"""A rolling upgrade in a world without processes: its order, when it does not begin, and where it stops."""

from collections.abc import Callable

import msgspec
import pytest

from cluster.clock import monotonic_s
from cluster.health import BalancedNode, BalancerHealth, FtpnodeHealth, NodeState, PeerHealth, ReplicatorHealth
from cluster.upgrade_settings import Upgrade
from compose.status import ClusterStatus
from compose.upgrade import Ground, RollingUpgrade, UpgradeFailedError

QUICK = Upgrade(drain_s=0.1, ready_s=0.5)


class World(Ground):
    """Two nodes and a balancer; every change is seen at once."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.states = dict.fromkeys(("node1", "node2"), NodeState.READY)
        self.sessions = dict.fromkeys(self.states, 0)
        self.began_s = dict.fromkeys(self.states, monotonic_s() - 1000)
        self.backlog = dict.fromkeys(self.states, 0)
        self.on_restart: Callable[[str], None] = self.begin_anew
        self.balancer_there = True

    def begin_anew(self, node: str) -> None:
        self.began_s[node] = monotonic_s()

    def status(self) -> ClusterStatus:
        seen = tuple(
            BalancedNode(node=node, usable=state is NodeState.READY, state=state, sessions=self.sessions[node])
            for node, state in self.states.items()
        )
        balancer = BalancerHealth(state=NodeState.READY, nodes=seen) if self.balancer_there else None
        return ClusterStatus(balancer, {node: self.node(node) for node in self.states})

    def node(self, node: str) -> FtpnodeHealth:
        peers = tuple(
            PeerHealth(peer=other, connected=True, in_sync=True, backlog_files=self.backlog[other])
            for other in self.states
            if other != node
        )
        return FtpnodeHealth(
            node=node,
            state=self.states[node],
            sessions=self.sessions[node],
            uptime_s=monotonic_s() - self.began_s[node],
            replicator=ReplicatorHealth(node=node, incarnation="x", state=NodeState.READY, peers=peers),
        )

    def drain(self, node: str, deadline_s: float) -> None:
        self.steps.append(f"drain {node} within {deadline_s:g}")
        self.states[node] = NodeState.DRAINING

    def enable(self, node: str) -> None:
        self.steps.append(f"enable {node}")
        self.states[node] = NodeState.READY

    def restart(self, node: str) -> None:
        self.steps.append(f"restart {node}")
        self.on_restart(node)

    def hand_over(self) -> None:
        self.steps.append("hand over")


def upgraded(world: World, settings: Upgrade = QUICK) -> RollingUpgrade:
    rolling = RollingUpgrade(world, settings, world.steps.append)
    rolling.run(("node1", "node2"), balancer=True)
    return rolling


def test_one_node_after_the_other_is_drained_restarted_and_enabled_and_the_balancer_comes_last():
    world = World()
    assert upgraded(world).done == ["node1", "node2", "balancer"]
    assert [step for step in world.steps if ":" not in step] == [
        "drain node1 within 0.1", "restart node1", "enable node1",
        "drain node2 within 0.1", "restart node2", "enable node2",
        "hand over",
    ]  # fmt: skip


def spoil(world: World, **what: object) -> None:
    for name, value in what.items():
        setattr(world, name, value)


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (lambda world: spoil(world, balancer_there=False), "the balancer does not answer"),
        (lambda world: world.states.update(node2=NodeState.JOINING), "node2 is joining"),
        (lambda world: world.backlog.update(node2=3), "not every node has what the others have"),
    ],
)
def test_where_not_all_is_well_it_does_not_begin(trouble, why, monkeypatch):
    monkeypatch.setattr("compose.upgrade._BEGIN_S", 0.0)
    world = World()
    trouble(world)
    with pytest.raises(UpgradeFailedError, match=f"not begun: {why}"):
        upgraded(world)
    assert world.steps == []


def test_a_node_that_does_not_come_back_in_sync_stays_drained_and_the_next_one_is_not_touched():
    world = World()

    def restart(node: str) -> None:
        world.begin_anew(node)
        world.backlog[node] = 1

    world.on_restart = restart
    with pytest.raises(UpgradeFailedError, match=r"node1 is not in sync; node1 stays drained.*tripod enable node1"):
        upgraded(world)
    assert world.states == {"node1": NodeState.DRAINING, "node2": NodeState.READY}
    assert "drain node2 within 0.1" not in world.steps


def test_a_command_that_restarts_nothing_is_noticed():
    world = World()
    world.on_restart = lambda _node: None
    with pytest.raises(UpgradeFailedError, match="node1 was not restarted"):
        upgraded(world)


def test_who_does_not_leave_by_the_deadline_does_not_hold_it_up(monkeypatch):
    monkeypatch.setattr("compose.upgrade._PATIENCE_S", 0.1)
    world = World()
    world.sessions["node1"] = 2

    def restart(node: str) -> None:
        world.begin_anew(node)
        world.sessions[node] = 0

    world.on_restart = restart
    assert upgraded(world).done == ["node1", "node2", "balancer"]
    assert "node1: 2 sessions remain, and are cut" in world.steps


def test_only_what_was_chosen_is_upgraded():
    world = World()
    RollingUpgrade(world, QUICK, world.steps.append).run(("node2",), balancer=False)
    assert [step for step in world.steps if ":" not in step] == [
        "drain node2 within 0.1",
        "restart node2",
        "enable node2",
    ]


def test_a_status_that_says_nothing_of_replicators_is_in_sync_without_them():
    from compose.status import why_not_well

    world = World()
    found = world.status()
    without = {
        name: msgspec.structs.replace(node, replicator=None) for name, node in found.nodes.items() if node is not None
    }
    assert why_not_well(ClusterStatus(found.balancer, without)) == ""


def test_under_load_every_node_has_to_be_in_sync_once_and_not_all_in_the_same_moment():
    world = World()
    looks = iter(("node1", "node2") * 1000)

    def status() -> ClusterStatus:
        busy = next(looks)
        world.backlog.update(node1=0, node2=0)
        world.backlog[busy] = 2  # something is always on its way to one of them
        return World.status(world)

    world.status = status
    assert upgraded(world).done == ["node1", "node2", "balancer"]
