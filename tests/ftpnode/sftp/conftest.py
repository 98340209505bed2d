"""The servers and keys that the tests of the SFTP door share."""

import logging

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.ftpnode.fake_replicator import FakeReplicator
from tests.ftpnode.running import running
from tests.ftpnode.sftp.clients import LIMITS, connected, with_sftp
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until


@pytest.fixture(scope="session")
def key_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("key") / "station"
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    file.chmod(0o600)
    return file


@pytest.fixture(scope="session")
def public_key(key_file):
    key = paramiko.Ed25519Key.from_private_key_file(str(key_file))
    return f"{key.get_name()} {key.get_base64()} station@example"


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
