"""The balancer of a real cluster finds out how fast uploads reach the other nodes, and when they no longer do."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.kit.publish_client import tree
from tests.kit.running_cluster import RunningCluster, running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]


def quick(document) -> None:
    document["balancer"]["probe"]["canary_interval_s"] = 0.5
    document["replication"]["propagation_late_s"] = 2.0


@contextmanager
def without_links(cluster: RunningCluster, node: str) -> Iterator[None]:
    """Every packet between this node's replicator and its peers is dropped, whoever dialled."""
    table, host = f"tripod_{os.getpid()}", cluster.files.settings.nodes[node].replicator_host
    port = cluster.files.settings.nodes[node].peer_port  # all nodes have the same
    drops = "".join(f"ip {end}addr {host} tcp {side}port {port} drop; " for end in "sd" for side in "sd")
    rules = f"""table inet {table} {{
        chain out {{ type filter hook output priority 0; {drops} }}
    }}"""
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", table], check=True, capture_output=True)


def lost(cluster: RunningCluster) -> set[str] | None:
    """Where no canary came in the last round, as `12` for node1 to node2; None before every pair was seen."""
    health = cluster.parts.balancer_health()
    nodes = len(cluster.files.settings.nodes)
    if health is None or len(health.canaries) != nodes * (nodes - 1):
        return None
    return {trip.source[-1] + trip.target[-1] for trip in health.canaries if trip.delay_s is None}


def reasons(cluster: RunningCluster) -> list[str]:
    health = cluster.parts.balancer_health()
    return [node.why for node in health.nodes if node.usable] if health else []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop packets")
def test_of_two_nodes_it_is_told_that_nothing_arrives_and_no_more(tmp_path) -> None:
    with running_cluster(tmp_path, change=quick) as cluster:
        until(lambda: lost(cluster) == set(), "canaries arrive")
        with without_links(cluster, "node2"):
            until(lambda: lost(cluster) == {"12", "21"}, "the balancer says that no canary arrives")
            health = cluster.parts.balancer_health()
            assert health is not None
            notices = " ".join(health.notices)
            assert "a canary from node1 was not at node2 within 2 s" in notices
            assert "a canary from node2 was not at node1 within 2 s" in notices
            assert reasons(cluster) == ["", ""]
        until(lambda: lost(cluster) == set(), "canaries arrive again")
        for node in ("node1", "node2"):
            files = list((cluster.root(node) / ".tripod/canaries").iterdir())
            assert 0 < len(files) <= 2 * 8 + 1
            assert not any("canar" in path for path in tree(cluster.root(node)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop packets")
def test_of_three_nodes_the_one_without_links_gets_no_new_sessions(tmp_path) -> None:
    with running_cluster(tmp_path, nodes=3, change=quick) as cluster:
        until(lambda: lost(cluster) == set(), "canaries arrive")
        with without_links(cluster, "node1"):
            why = "no canary arrives between it and node2, node3"
            until(lambda: reasons(cluster) == [why, "", ""], "node1 is to blame")
            with ExitStack() as clients:
                for _ in range(4):
                    clients.enter_context(cluster.anonymous())
                health = cluster.parts.balancer_health()
                assert health is not None
                assert [bool(node.sessions) for node in health.nodes] == [False, True, True]
        until(lambda: reasons(cluster) == ["", "", ""], "node1 is back")
