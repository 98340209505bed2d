"""The servers and keys that the tests of the SFTP door share."""

import logging

import pytest

from tests.ftpnode.fake_replicator import FakeReplicator
from tests.ftpnode.running import running
from tests.ftpnode.sftp.clients import LIMITS, connected, new_key, with_sftp
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until


@pytest.fixture(scope="session")
def _key(tmp_path_factory):
    return new_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="session")
def key_file(_key):
    return _key[0]


@pytest.fixture(scope="session")
def public_key(_key):
    return _key[1]


@pytest.fixture(scope="session")
def _door(tmp_path_factory, public_key):
    cluster = write_cluster(tmp_path_factory.mktemp("sftp"), nodes=2, limits=LIMITS)
    cluster = with_sftp(
        cluster,
        public_key,
        accounts={"lansurvey": {"deny": ["/private"], "rights": ["read", "write"]}},
        nodes={"node1": {"logs": {"w3c": "w3c.log", "xferlog": "xferlog"}}},
    )
    with FakeReplicator(cluster.settings.nodes["node1"]) as replicator, running(cluster) as node:
        for home in ("Data", "Station"):
            (node.root / home).mkdir(parents=True, exist_ok=True)
        yield node, replicator


@pytest.fixture
def door(_door):
    """A node with an SFTP door, and a fake replicator that does what the test says."""
    node, replicator = _door
    replicator.behave()
    yield node, replicator
    replicator.behave()
    until(lambda: not node.staged(), "staging is empty")


@pytest.fixture
def station(door):
    with connected(door[0]) as client:
        yield client


@pytest.fixture(autouse=True)
def _quiet():
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
