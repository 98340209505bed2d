"""An upload that replaces a file, at real nodes: on the peer before its last byte; and what may go wrong with it."""

import contextlib
import random

import pytest

from tests.cluster.test_resume import running
from tests.kit.publish_client import tree
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SIZE = 20_000_000
TAIL = 1000
OLD, OTHER = (random.Random(seed).randbytes(SIZE) for seed in (1, 2))
LIKE = {
    "other": OTHER,
    "longer": OLD + OTHER[: SIZE // 10],
    "shifted": b"?" + OLD,
    "in its middle": OLD[: SIZE // 2] + OTHER[SIZE // 2 :],
}


def files(cluster, name):
    return {path: content for path, content in tree(cluster.replicators.root(name)).items() if content is not None}


def staged(cluster, name):
    return [file.name for file in (cluster.replicators.root(name) / ".tripod/staging").iterdir()]


def first(cluster, content=OLD):
    """The file that will be replaced, on both nodes."""
    with cluster.client("node1") as client:
        assert store(client, content).startswith("226 Transfer complete. (2 copies)")


def store(client, content, command="STOR", rest=None):
    data = client.transfercmd(f"{command} x.rnx", rest)
    data.sendall(content)
    data.close()
    return client.voidresp()


def begin(cluster, client, content):
    """The data connection of an upload of which so much is on the peer."""
    data = client.transfercmd("STOR x.rnx")
    data.sendall(content)
    until(lambda: cluster.came("node2") == len(content), "the bytes are on the peer")
    return data


def shows(cluster, content, *names):
    for name in names or ("node1", "node2"):
        assert files(cluster, name) == {"Station/x.rnx": content}
        until(lambda name=name: staged(cluster, name) == [], f"nothing is left behind on {name}")


@pytest.mark.parametrize("what", LIKE)
def test_a_peer_has_all_but_the_tail_when_the_last_byte_comes(tmp_path, what):
    content = LIKE[what]
    with running(tmp_path) as cluster:
        first(cluster)
        with cluster.client("node1") as client:
            data = begin(cluster, client, content[:-TAIL])
            assert files(cluster, "node2") == {"Station/x.rnx": OLD}
            data.sendall(content[-TAIL:])
            data.close()
            assert client.voidresp().startswith("226 Transfer complete. (2 copies)")
        shows(cluster, content)


def test_the_same_again_leaves_nothing_behind(tmp_path):
    with running(tmp_path) as cluster:
        first(cluster)
        first(cluster)
        shows(cluster, OLD)


def test_one_that_is_cut_leaves_the_file_as_it_was(tmp_path):
    with running(tmp_path) as cluster:
        first(cluster)
        with cluster.client("node1") as client:
            data = begin(cluster, client, OTHER[: SIZE // 2])
            client.close()
        data.close()
        shows(cluster, OLD)
        with cluster.client("node2") as client:
            assert client.size("x.rnx") == SIZE


def test_what_keeps_a_part_of_the_file_makes_the_whole_of_it(tmp_path):
    with running(tmp_path) as cluster:
        first(cluster)
        with cluster.client("node1") as client:
            assert store(client, OTHER[:TAIL], "APPE").startswith("226 Transfer complete. (2 copies)")
            shows(cluster, OLD + OTHER[:TAIL])
            assert store(client, OTHER, rest=SIZE).startswith("226 Transfer complete. (2 copies)")
        shows(cluster, OLD + OTHER)


def test_a_peer_that_dies_in_the_middle_has_it_when_it_is_back(tmp_path):
    with running(tmp_path) as cluster:
        first(cluster)
        with cluster.client("node1") as client:
            data = begin(cluster, client, OTHER[: SIZE // 2])
            cluster.replicators.kill("node2")
            data.sendall(OTHER[SIZE // 2 :])
            data.close()
            assert client.voidresp().startswith("226 Transfer complete. (1 of 2 copies)")
        assert files(cluster, "node2") == {"Station/x.rnx": OLD}
        cluster.replicators.start("node2").ready()
        cluster.replicators.alike("the peer has it")
        shows(cluster, OTHER)


def lost(cluster, name):
    return [file.read_bytes() for file in (cluster.replicators.root(name) / ".tripod/conflicts").iterdir()]


def test_of_two_at_once_one_is_shown_and_the_other_kept_on_both_nodes_or_replaced_on_both(tmp_path):
    contents = (OTHER, b"?" + OLD)
    with running(tmp_path) as cluster, contextlib.ExitStack() as stack:
        first(cluster)
        clients = [stack.enter_context(cluster.client("node1")) for _ in contents]
        datas = [client.transfercmd("STOR x.rnx") for client in clients]
        for data, content in zip(datas, contents, strict=True):
            data.sendall(content[:-TAIL])
        sent = sum(len(content) - TAIL for content in contents)
        until(lambda: cluster.came("node2") == sent, "the bytes are on the peer")
        for data, content in zip(datas, contents, strict=True):
            data.sendall(content[-TAIL:])
            data.close()
        for client in clients:
            assert client.voidresp().startswith("226 Transfer complete. (2 copies)")
        (shown,) = {content for name in cluster.replicators.names for content in files(cluster, name).values()}
        assert shown in contents
        shows(cluster, shown)
        (other,) = set(contents) - {shown}
        kept = [lost(cluster, name) for name in cluster.replicators.names]
        assert kept in ([[], []], [[other], [other]])
