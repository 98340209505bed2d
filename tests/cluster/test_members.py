"""Real replicators come and go: a node joins with data, leaves, is put back to a snapshot, was away for too long."""

import shutil
import sqlite3
from contextlib import contextmanager

import msgspec
import pytest
import yaml

from cluster.publish import Policy
from replicator.disk.marker import ROLLED_BACK, STALE
from replicator.index.index import PeerFacts
from replicator.service import INDEX_NAME
from tests.kit.cluster_folder import rewritten, write_cluster
from tests.kit.replicators import Replicators
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

EVERYBODY = Policy(nodes="all", when_short="refuse")


@contextmanager
def cluster(folder, nodes):
    with Replicators(write_cluster(folder / "cluster", nodes=nodes)) as replicators:
        try:
            yield replicators
        except BaseException:
            for name in replicators.names:
                if (replicators.cluster.folder / f"{name}.log").exists():
                    print(f"--- {name}\n{replicators.log(name)[-4000:]}")
            raise


def with_nodes(replicators, *names):
    """The cluster file names these nodes alone from now on, and what runs of them is started again."""
    kept = replicators.cluster.folder / "all-nodes.yaml"
    if not kept.exists():
        kept.write_bytes(replicators.cluster.file.read_bytes())
    whole = yaml.safe_load(kept.read_text())["nodes"]
    running = [name for name in replicators.processes if name in names]
    for name in list(replicators.processes):
        replicators.kill(name)
    replicators.cluster = rewritten(
        replicators.cluster, lambda document: document.update(nodes={name: whole[name] for name in names})
    )
    if running:
        replicators.start(*running)


def upload(replicators, node, path, content, copies):
    with replicators.client(node) as client:
        answer = client.upload(path, content, EVERYBODY)
        assert (answer.copies, answer.wanted) == (copies, copies)


def conflicts(replicators, node):
    return {(listed["path"], bool(listed["file"])) for listed in replicators.document(node, "conflicts")["conflicts"]}


def has_failed(replicators, node, why):
    health = replicators.health(node)
    return health is not None and health["state"] == "failed" and why in health["notices"]


def join_as_new(replicators, node):
    """What the notice says: stop, remove the index, start."""
    replicators.kill(node)
    for file in replicators.cluster.settings.nodes[node].state.glob(f"{INDEX_NAME}*"):
        file.unlink()
    replicators.start(node).ready()


def test_a_node_joins_with_data_already_there(tmp_path):
    with cluster(tmp_path, nodes=3) as replicators:
        joining = replicators.root("node3")
        with_nodes(replicators, "node1", "node2")
        replicators.start().ready()
        upload(replicators, "node1", "Data/same", b"the same", 2)
        upload(replicators, "node1", "Data/other", b"as the cluster knows it", 2)
        (joining / "Data").mkdir(parents=True)
        (joining / "Data/same").write_bytes(b"the same")
        (joining / "Data/other").write_bytes(b"as the new node has it")
        (joining / "Data/alone").write_bytes(b"nobody else has it")
        with_nodes(replicators, "node1", "node2", "node3")
        replicators.start("node3").ready()
        found = replicators.alike("the new node is like the others")
        assert found == {
            "Data": None,
            "Data/same": b"the same",
            "Data/other": b"as the cluster knows it",
            "Data/alone": b"nobody else has it",
        }
        until(lambda: conflicts(replicators, "node3") == {("Data/other", True)}, "what lost is kept where it was")
        upload(replicators, "node3", "Data/new", b"new", 3)


def test_a_node_that_is_removed_is_waited_for_no_more(tmp_path):
    with cluster(tmp_path, nodes=3) as replicators:
        replicators.start().ready()
        upload(replicators, "node3", "x", b"x", 3)
        replicators.kill("node3")
        with_nodes(replicators, "node1", "node2")
        replicators.ready()
        upload(replicators, "node1", "y", b"y", 2)
        assert [peer["peer"] for peer in replicators.health("node1")["peers"]] == ["node2"]
        assert replicators.alike("without it") == {"x": b"x", "y": b"y"}


def test_a_node_that_is_put_back_to_a_snapshot_is_fenced_and_joins_as_new(tmp_path):
    with cluster(tmp_path, nodes=2) as replicators:
        replicators.start().ready()
        upload(replicators, "node2", "before", b"before", 2)
        node, snapshot = replicators.cluster.settings.nodes["node2"], tmp_path / "snapshot"
        replicators.kill("node2")
        shutil.copytree(node.root, snapshot / "root")
        shutil.copytree(node.state, snapshot / "state", ignore=shutil.ignore_patterns("*.sock", "publish*"))
        replicators.start("node2").ready()
        upload(replicators, "node2", "after", b"after", 2)
        replicators.kill("node2")
        for folder, name in ((node.root, "root"), (node.state, "state")):
            shutil.rmtree(folder)
            shutil.copytree(snapshot / name, folder)
        (node.root / "past the replicator").write_bytes(b"local")
        replicators.start("node2")
        until(lambda: has_failed(replicators, "node2", ROLLED_BACK), "the snapshot is found out")
        join_as_new(replicators, "node2")
        found = {"before": b"before", "after": b"after", "past the replicator": b"local"}
        assert replicators.alike("all of it is back") == found


def test_a_node_that_missed_what_everybody_has_forgotten_is_fenced_and_joins_as_new(tmp_path):
    with cluster(tmp_path, nodes=2) as replicators:
        replicators.start().ready()
        upload(replicators, "node1", "x", b"x", 2)
        replicators.kill("node1")
        expel(replicators.cluster.settings.nodes["node1"].state / INDEX_NAME, "node2")
        replicators.start("node1")
        until(lambda: has_failed(replicators, "node2", STALE), "it is told that it was away for too long")
        assert replicators.health("node1")["state"] == "ready"
        join_as_new(replicators, "node2")
        assert replicators.alike("it has joined") == {"x": b"x"}
        upload(replicators, "node2", "y", b"y", 2)


def expel(index, peer):
    """As if a deletion that this peer never had was forgotten."""
    database = sqlite3.connect(index)
    ((row,),) = database.execute("SELECT peer FROM peers WHERE node = ?", (peer,)).fetchall()
    facts = msgspec.structs.replace(msgspec.msgpack.decode(row, type=PeerFacts), expelled_ns=1)
    with database:
        database.execute("UPDATE peers SET peer = ? WHERE node = ?", (msgspec.msgpack.encode(facts), peer))
    database.close()
