"""Which nodes have links with which: what is impossible then is said before anything runs."""

from pathlib import Path

import pytest

from cluster.connection_rules import parts
from cluster.read_settings import examine_settings
from compose.new_cluster import network_plan, render

GOOD = render(network_plan("test", 4), {"station": "a", "lansurvey": "b", "servicedesk": "c"})
CHAIN = "[[node1, node2], [node2, node3], [node3, node4]]"


def read(folder: Path, connections: str, *, policy: str = "any-peer", links: str = "[]"):
    text = GOOD.replace("mode: full-mesh", f"mode: connections\n  connections: {connections}\n  links: {links}")
    (folder / "cluster.yaml").write_text(text.replace("policy: any-peer", f"policy: {policy}", 1))
    settings, problems = examine_settings(folder / "cluster.yaml")
    return settings, {problem.where.partition(": ")[2]: problem for problem in problems}


def test_peers_are_those_of_the_pairs(tmp_path):
    settings, problems = read(tmp_path, CHAIN)
    assert not problems
    peers = {name: sorted(settings.peers_of(name)) for name in settings.nodes}
    assert peers == {"node1": ["node2"], "node2": ["node1", "node3"], "node3": ["node2", "node4"], "node4": ["node3"]}
    assert parts(settings) == [("node1", "node2", "node3", "node4")]


def test_a_cluster_that_falls_apart_is_reported(tmp_path):
    _, problems = read(tmp_path, "[[node1, node3], [node2, node4]]")
    wrong = problems["replication.connections"]
    assert "leave node2, node4 apart from node1, node3" in wrong.what
    assert wrong.fix == "add a pair such as [node1, node2]"


@pytest.mark.parametrize(("policy", "is_possible"), [("any-peer", True), ("quorum", False), ("all", False)])
def test_a_policy_that_the_node_with_the_fewest_peers_cannot_keep_is_reported(tmp_path, policy, is_possible):
    _, problems = read(tmp_path, CHAIN, policy=policy)
    assert (problems == {}) is is_possible
    if not is_possible:
        assert "node1 with its peers can make 2" in next(iter(problems.values())).what


def test_a_ring_can_keep_a_quorum(tmp_path):
    _, problems = read(tmp_path, CHAIN[:-1] + ", [node4, node1]]", policy="quorum")
    assert problems == {}


def test_the_rate_of_a_link_that_is_not_there_is_reported(tmp_path):
    _, problems = read(tmp_path, CHAIN, links="[{from: node1, to: node3, bytes_per_s: 1000}]")
    assert list(problems) == ["replication.links[0]"]
    assert "no connection between node1 and node3" in problems["replication.links[0]"].what


def with_mirrors(folder: Path, *mirrors: str, text: str = GOOD):
    for name in mirrors:
        text = text.replace(f"  {name}:\n", f"  {name}:\n    read_only: true\n", 1)
    (folder / "cluster.yaml").write_text(text)
    settings, problems = examine_settings(folder / "cluster.yaml")
    return settings, {problem.where.partition(": ")[2]: problem for problem in problems}


def test_policies_count_the_nodes_that_can_be_written_to(tmp_path):
    settings, problems = with_mirrors(tmp_path, "node3", "node4")
    assert not problems
    assert settings.writers == {"node1", "node2"}
    chain = GOOD.replace("mode: full-mesh", "mode: connections\n  connections: [[node1, node3], [node3, node2]]")
    chain = chain.replace("node2]]", "node2], [node2, node4]]")
    _, problems = with_mirrors(tmp_path, "node3", text=chain)
    assert (
        "`any-peer` asks for 2 copies, and node1 with its peers can make 1" in problems["accounts.station.policy"].what
    )


@pytest.mark.parametrize(
    ("mirrors", "mode", "fix"),
    [
        (("node1", "node2", "node3", "node4"), "full-mesh", "let at least one node be written to"),
        (("node1",), "none", "use `replication.mode: full-mesh`"),
    ],
)
def test_mirrors_of_nothing_are_reported(tmp_path, mirrors, mode, fix):
    _, problems = with_mirrors(tmp_path, *mirrors, text=GOOD.replace("mode: full-mesh", f"mode: {mode}"))
    assert problems["nodes.node1.read_only"].fix == fix
