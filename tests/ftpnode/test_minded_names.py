"""A name that is one with another on Windows, where settings refuse that: said before a client sends its file."""

import pytest

from cluster.publish import CheckName, Publish, Reason
from tests.ftpnode.fake_replicator import FakeReplicator, hang, refuse
from tests.ftpnode.running import running
from tests.ftpnode.sftp.clients import LIMITS, WRITE, raw, with_sftp
from tests.kit.cluster_folder import write_cluster

FAILURE = 4


@pytest.fixture(scope="module")
def _minding(tmp_path_factory):
    folder = tmp_path_factory.mktemp("minding")
    cluster = with_sftp(write_cluster(folder, nodes=2, limits=LIMITS, replication_settings={"names": "refuse"}))
    with FakeReplicator(cluster.settings.nodes["node1"]) as replicator, running(cluster) as node:
        yield node, replicator


@pytest.fixture
def minding(_minding):
    """A node whose fake replicator does what the test says about names."""
    node, replicator = _minding
    replicator.behave()
    (node.root / "Station").mkdir(exist_ok=True)
    yield node, replicator
    replicator.behave()


def to(replicator, kind, answer):
    """It answers requests of this kind so, and does all others."""
    replicator.behave(lambda request: answer(request) if isinstance(request, kind) else replicator.do(request))


def kinds(replicator):
    return [type(request) for request in replicator.seen]


@pytest.mark.parametrize("command", ["STOR", "APPE", "STOU"])
def test_an_upload_is_refused_before_its_first_byte(minding, command):
    node, replicator = minding
    to(replicator, CheckName, refuse(Reason.NAMESAKE))
    with node.client() as client, client.data():
        reply = client.ask(f"{command} ONE.rnx")
        assert reply.startswith("553 ")
        assert "but for letter case" in reply
    assert kinds(replicator) == [CheckName]
    assert replicator.seen[0].path.startswith("Station/ONE.rnx")
    assert node.staged() == []


def test_over_sftp_it_is_refused_at_open(minding):
    node, replicator = minding
    to(replicator, CheckName, refuse(Reason.NAMESAKE))
    with raw(node) as client:
        code, text = client.open(b"ONE.rnx")
        assert code == FAILURE
        assert "but for letter case" in text
    assert kinds(replicator) == [CheckName]
    assert node.staged() == []


def test_a_file_that_stands_there_keeps_its_name(minding):
    node, replicator = minding
    (node.root / "Station/ONE.rnx").write_bytes(b"old")
    to(replicator, CheckName, refuse(Reason.NAMESAKE))
    with node.client() as client:
        assert client.store("ONE.rnx", b"new").startswith("226")
        assert client.store("ONE.rnx", b"er", command="APPE").startswith("226")
    with raw(node) as client:
        handle = client.open(b"ONE.rnx", WRITE)
        assert client.close(handle)[0] == 0
    assert kinds(replicator) == [Publish] * 3
    assert (node.root / "Station/ONE.rnx").read_bytes() == b"newer"


def test_who_publishes_has_the_last_word(minding):
    node, replicator = minding
    to(replicator, Publish, refuse(Reason.NAMESAKE))
    with node.client() as client:
        assert client.store("TWO.rnx", b"2").startswith("553")
    with raw(node) as client:
        assert client.close(client.open(b"TWO.rnx"))[0] == FAILURE
    assert kinds(replicator) == [CheckName, Publish] * 2


@pytest.mark.parametrize("answer", [refuse(Reason.NOT_READY), hang], ids=["not ready", "silent"])
def test_a_replicator_that_does_not_say_holds_up_no_upload(minding, answer):
    node, replicator = minding
    to(replicator, CheckName, answer)
    with node.client() as client:
        assert client.store("three.rnx", b"3").startswith("226")
    (node.root / "Station/three.rnx").unlink()


def test_where_names_are_exact_nobody_asks(pair):
    node, replicator = pair
    with node.client() as client:
        assert client.store("exact.rnx", b"4").startswith("226")
    assert kinds(replicator) == [Publish]
