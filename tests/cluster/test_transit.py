"""Real replicators in a chain: what happens at one end is at the other, over a node that dies and comes back."""

import os

import pytest

from cluster.publish import Fetch, MakeDirectory, Policy, Reason, Remove, Rename
from tests.kit.cluster_folder import write_cluster
from tests.kit.replicators import Replicators
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ANY = Policy(nodes="any-peer", when_short="degrade")
ALL = Policy(nodes="all", when_short="refuse")
CHAIN = "mode: connections\n  connections: [[node1, node2], [node2, node3]]"


@pytest.fixture
def chain(tmp_path):
    cluster = write_cluster(tmp_path / "cluster", nodes=3, edit=lambda text: text.replace("mode: full-mesh", CHAIN))
    with Replicators(cluster) as replicators:
        try:
            yield replicators.start().ready()
        except BaseException:
            for name in replicators.names:
                print(f"--- {name}\n{replicators.log(name)[-4000:]}")
            raise


def test_what_is_done_at_one_end_is_at_the_other(chain):
    large = os.urandom(3_000_000)
    with chain.client("node1") as client:
        number = client.next_number
        assert client.upload("Station/one", b"epochs", ANY).copies == 2
        assert client.upload("Data/large", large, ANY).copies == 2
        assert client.upload("Data/gone", b"gone", ANY).copies == 2
        assert client.ask(MakeDirectory(id=number(), path="Empty")).copies == 2
        assert client.ask(Rename(id=number(), source="Station/one", target="Data/one")).copies == 2
        assert client.ask(Remove(id=number(), path="Data/gone", kind="file")).copies == 2
    assert chain.alike("the chain is alike")["Data/large"] == large
    assert (chain.root("node3") / "Empty").is_dir()
    assert sorted(peer["peer"] for peer in chain.health("node1")["peers"]) == ["node2"]
    assert sorted(peer["peer"] for peer in chain.document("node2", "backlog")["peers"]) == ["node1", "node3"]


def test_an_upload_is_never_said_to_be_on_more_nodes_than_the_node_and_its_peers(chain):
    with chain.client("node1") as client:
        answer = client.upload("a", b"a", ALL)
        assert answer.reason is Reason.TOO_FEW_COPIES
        assert not (chain.root("node1") / "a").exists()
    with chain.client("node2") as client:
        assert client.upload("a", b"a", ALL).copies == 3


def test_the_middle_dies_and_both_ends_catch_up_when_it_is_back(chain):
    with chain.client("node1") as one, chain.client("node3") as three:
        one.upload("kept/a", b"a", ANY)
        chain.alike("before")
        chain.kill("node2")
        assert one.upload("kept/b", b"b", ANY).copies == 1
        assert three.upload("kept/c", b"c", ANY).copies == 1
        assert three.ask(Remove(id=three.next_number(), path="kept/a", kind="file")).copies == 1
        chain.start("node2").ready()
        shown = chain.alike("the middle is back")
        assert {"kept/b", "kept/c"} <= shown.keys()
        assert "kept/a" not in shown
        assert one.ask(Fetch(id=one.next_number(), path="kept/c")).copies == 1
        until(lambda: chain.health("node2")["state"] == "ready", "the middle serves")
