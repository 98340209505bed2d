"""SFTP at the nodes of a real cluster: what CLOSE promises is on both, and one may die."""

import secrets

import pytest

from tests.ftpnode.sftp.clients import CREATE, WRITE, connected, open_doors, raw
from tests.kit.running_cluster import running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]


class Node:
    """One node of the cluster, as the SFTP clients of tests want it."""

    def __init__(self, cluster, name):
        self.cluster = cluster.files
        self.host = cluster.files.settings.nodes[name].address
        self.root = cluster.root(name)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("sftp-cluster"), change=open_doors) as cluster:
        yield cluster


def put(client, path, content):
    """Open, write and close by hand: the answer to CLOSE."""
    handle = client.open(path)
    for number, start in enumerate(range(0, len(content), 30_000)):
        client.write(number, handle, start, content[start : start + 30_000])
        assert client.status()[0] == 0
    return client.close(handle)


def test_both_nodes_hold_the_file_when_close_is_answered(cluster):
    content = secrets.token_bytes(1_000_000)
    one, two = Node(cluster, "node1"), Node(cluster, "node2")
    with raw(one) as client:
        assert put(client, b"both.bin", content) == (0, "Transfer complete. (2 copies)")
        for node in (one, two):
            assert (node.root / "Station/both.bin").read_bytes() == content
    with raw(two) as client:
        handle = client.open(b"both.bin", WRITE | CREATE)
        client.write(1, handle, len(content), b"and on")
        assert client.status()[0] == 0
        assert client.close(handle)[0] == 0
    for node in (one, two):
        assert (node.root / "Station/both.bin").read_bytes() == content + b"and on"


def test_changes_are_on_both_nodes_when_they_are_answered(cluster):
    one, two = Node(cluster, "node1"), Node(cluster, "node2")
    with connected(one) as client:
        client.mkdir("folder")
        with client.open("folder/a", "w") as file:
            file.write(b"1")
            file.utime((1, 1_600_000_000))
        client.posix_rename("folder/a", "folder/b")
        assert int((two.root / "Station/folder/b").stat().st_mtime) == 1_600_000_000
        with client.open("folder/b", "w") as file:  # the same content, another time
            file.write(b"1")
            file.utime((1, 1_600_000_001))
        assert int((two.root / "Station/folder/b").stat().st_mtime) == 1_600_000_001
        client.utime("folder/b", (1, 1_600_000_002))
        for node in (one, two):
            assert (node.root / "Station/folder/b").read_bytes() == b"1"
            assert int((node.root / "Station/folder/b").stat().st_mtime) == 1_600_000_002
        with pytest.raises(OSError, match="already an entry"):
            client.mkdir("folder")
        client.remove("folder/b")
        client.rmdir("folder")
        assert not (two.root / "Station/folder").exists()


def test_an_upload_cut_by_the_death_of_its_node_is_on_neither(cluster):
    one, two = Node(cluster, "node1"), Node(cluster, "node2")
    for node in (one, two):
        with connected(node) as client, client.open("kept.bin", "w") as file:
            file.write(b"kept")
    with raw(one) as client:
        handle = client.open(b"kept.bin")
        client.write(1, handle, 0, b"half of another")
        assert client.status()[0] == 0
        cluster.parts.kill(("node1.ftpnode",))
    cluster.parts.restart(("node1.ftpnode",))
    cluster.wait_all_usable()
    for node in (one, two):
        assert (node.root / "Station/kept.bin").read_bytes() == b"kept"
    assert not list((one.root / ".tripod/staging").glob("up-*"))


def test_while_a_node_is_down_close_says_so_and_the_node_catches_up(cluster):
    one, two = Node(cluster, "node1"), Node(cluster, "node2")
    cluster.parts.kill(("node2.ftpnode", "node2.replicator"))
    with raw(one) as client:
        assert put(client, b"alone.bin", b"alone") == (0, "Transfer complete. (1 of 2 copies)")
    cluster.parts.restart(("node2.ftpnode", "node2.replicator"))
    cluster.wait_all_usable()
    until((two.root / "Station/alone.bin").exists, "node2 catches up")
