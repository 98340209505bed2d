"""Versions and conflicts of real replicators, as an operator meets them: listed, brought back, discarded."""

import json

import pytest

from cluster.clock import utc_now
from cluster.publish import Policy, Remove
from tests.cluster.test_held_deletes import tripod
from tests.cluster.test_replicators import running
from tests.kit.publish_client import tree

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

BOTH = Policy(nodes="all", when_short="refuse")
ALONE = Policy(nodes="local")


def test_what_was_replaced_or_deleted_is_kept_on_both_nodes_and_comes_back_on_both(tmp_path):
    with running(tmp_path) as replicators, replicators.client("node1") as client:
        assert client.upload("Data/x", b"one", BOTH, mtime_ns=10**18).copies == 2
        between = utc_now().isoformat()
        assert client.upload("Data/x", b"two", BOTH).copies == 2
        assert client.ask(Remove(id=1, path="Data/x", kind="file", policy=BOTH)).copies == 2
        listed = json.loads(tripod(replicators, "versions", "/Data/x", "--json"))
        for name in replicators.names:
            assert [one["size_bytes"] for one in listed[name]["versions"]] == [3, 3]
            assert [one["deleted"] for one in listed[name]["versions"]] == [True, False]

        assert "on 2 of 2" in tripod(replicators, "restore", "Data/x")
        assert [tree(replicators.root(name)) for name in replicators.names] == 2 * [{"Data": None, "Data/x": b"two"}]
        tripod(replicators, "restore", "Data/x", "--at", between)
        for name in replicators.names:
            file = replicators.root(name) / "Data/x"
            assert (file.read_bytes(), file.stat().st_mtime_ns) == (b"one", 10**18)
        content = listed["node1"]["versions"][0]["content_id"]
        tripod(replicators, "restore", "Data/x", "--id", content[:10], "--as", "Data/y")
        assert replicators.alike("all is there") == {"Data": None, "Data/x": b"one", "Data/y": b"two"}


def test_a_conflict_is_restored_or_discarded_on_every_node(tmp_path):
    with running(tmp_path) as replicators:
        replicators.kill("node2")
        with replicators.client("node1") as one:
            for path in ("x", "y"):
                one.upload(path, b"older", ALONE)
        replicators.kill("node1")
        replicators.start("node2")
        replicators.ready("node2")
        with replicators.client("node2") as two:
            for path in ("x", "y"):
                two.upload(path, b"newer", ALONE)
        replicators.start("node1").ready()
        assert replicators.alike("the newer ones have won") == {"x": b"newer", "y": b"newer"}
        listed = json.loads(tripod(replicators, "conflicts", "--json"))
        ids = {one["path"]: one["id"] for node in listed.values() for one in node["conflicts"]}
        assert set(ids) == {"x", "y"}
        assert "node1" in tripod(replicators, "conflicts", "list")

        tripod(replicators, "conflicts", "restore", ids["x"])
        tripod(replicators, "conflicts", "discard", ids["y"])
        assert replicators.alike("one was restored") == {"x": b"older", "y": b"newer"}
        assert [replicators.health(name)["conflicts"] for name in replicators.names] == [0, 0]
        for name in replicators.names:
            assert not list((replicators.root(name) / ".tripod/conflicts").iterdir())
