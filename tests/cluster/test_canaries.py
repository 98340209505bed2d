"""The balancer of a real cluster finds out how fast uploads reach the other nodes, and when they no longer do."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.kit.publish_client import tree
from tests.kit.running_cluster import RunningCluster, running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]


def quick(document) -> None:
    document["balancer"]["probe"]["canary_interval_s"] = 0.5
    document["replication"]["propagation_late_s"] = 2.0


@contextmanager
def without_links(cluster: RunningCluster) -> Iterator[None]:
    """Every packet between the replicators is dropped."""
    table, nodes = f"tripod_{os.getpid()}", cluster.files.settings.nodes.values()
    drops = " ".join(
        f"ip daddr {node.replicator_host} tcp dport {node.peer_port} drop; "
        f"ip saddr {node.replicator_host} tcp sport {node.peer_port} drop;"
        for node in nodes
    )
    rules = f"""table inet {table} {{
        chain out {{ type filter hook output priority 0; {drops} }}
    }}"""
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", table], check=True, capture_output=True)


def told(cluster: RunningCluster) -> dict[str, float | None]:
    health = cluster.parts.balancer_health()
    return {trip.source: trip.delay_s for trip in health.canaries} if health else {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop packets")
def test_the_delay_is_told_and_that_nothing_arrives_any_more_and_that_it_does_again(tmp_path) -> None:
    with running_cluster(tmp_path, change=quick) as cluster:

        def all_arrive() -> bool:
            delays = told(cluster)
            return set(delays) == {"node1", "node2"} and None not in delays.values()

        def none_arrives() -> bool:
            return set(told(cluster).values()) == {None} and len(told(cluster)) == 2

        until(all_arrive, "canaries arrive", timeout_s=40)
        with without_links(cluster):
            until(none_arrives, "the balancer says that no canary arrives", timeout_s=40)
            health = cluster.parts.balancer_health()
            assert health is not None
            notices = " ".join(health.notices)
            assert "a canary from node1 was not at node2 within 2 s" in notices
            assert "a canary from node2 was not at node1 within 2 s" in notices
            assert [node.usable for node in health.nodes] == [True, True]
        until(all_arrive, "canaries arrive again", timeout_s=40)
        for node in ("node1", "node2"):
            files = list((cluster.root(node) / ".tripod/canaries").iterdir())
            assert 0 < len(files) <= 2 * 8 + 1
            assert not any("canar" in path for path in tree(cluster.root(node)))
