"""When the sessions on a node are told to leave it: at once when it is dead, but only for somewhere better."""

import pytest

from balancer.core.node_health import ProbeFailed, ProbePassed
from balancer.nodes import Nodes
from cluster.balancer_settings import Probe
from cluster.health import NodeState
from tests.kit.cluster_folder import write_cluster

SILENT = ProbeFailed("no answer in time", silent=True)
REFUSES = ProbeFailed("connection refused")


class Guest:
    """A session on a node; `told` is what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def node_is_down(self, why: str) -> None:
        self.told.append(f"down: {why}")

    def node_drains(self) -> None:
        self.told.append("drains")


def passed(state: NodeState) -> ProbePassed:
    return ProbePassed(state, "as it says itself")


@pytest.mark.parametrize(
    ("of_node2", "of_node1", "told"),
    [
        (passed(NodeState.READY), SILENT, ["down: no answer in time"]),
        (passed(NodeState.JOINING), SILENT, ["down: no answer in time"]),
        (passed(NodeState.DRAINING), SILENT, ["down: no answer in time"]),
        (SILENT, SILENT, []),
        # its replicator is gone: it lives, and would refuse whatever is asked of it
        (passed(NodeState.FAILED), SILENT, []),
        (passed(NodeState.READY), passed(NodeState.FAILED), ["drains"]),
        (passed(NodeState.FAILED), passed(NodeState.FAILED), []),
        (passed(NodeState.READY), REFUSES, []),
        (passed(NodeState.READY), passed(NodeState.READY), []),
    ],
)
def test_sessions_leave_a_node_for_one_that_serves(tmp_path, of_node2, of_node1, told) -> None:
    guest = Guest()
    nodes = Nodes(write_cluster(tmp_path, nodes=2).settings.nodes, Probe(), clock=lambda: 0.0)
    nodes.moves_in("node1", guest)
    nodes.probed("node2", of_node2)
    nodes.probed("node1", of_node1)
    assert guest.told == told
