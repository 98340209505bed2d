"""The servers that the tests of ftpnode share."""

import pytest
import yaml

from cluster.password import hash_password
from tests.ftpnode.fake_replicator import FakeReplicator
from tests.ftpnode.running import running
from tests.kit.cluster_folder import write_cluster

LIMITS = {
    "transfer_stall_s": 1.0,
    "minimum_bytes_per_s": 0,
    "login_timeout_s": 20.0,
    "publish_timeout_s": 1.5,
    "sessions_per_address": 30,
}


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """A node without a replicator, whose passwords cost what they cost an operator."""
    folder = tmp_path_factory.mktemp("alone")
    cluster = write_cluster(folder, nodes=1, replication="none", limits=LIMITS, password_hash=hash_password)
    with running(cluster) as node:
        yield node


@pytest.fixture(scope="session")
def _pair(tmp_path_factory):
    cluster = write_cluster(tmp_path_factory.mktemp("pair"), nodes=2, limits=LIMITS)
    node = cluster.settings.nodes["node1"]
    with FakeReplicator(node) as replicator, running(cluster) as node:
        yield node, replicator


@pytest.fixture
def pair(_pair):
    """A node with a fake replicator that does what the test says."""
    node, replicator = _pair
    replicator.behave()
    yield node, replicator
    replicator.behave()


def _guard(text):
    """What the `guarded` node asks of its accounts, written into a cluster.yaml."""
    document = yaml.safe_load(text)
    accounts = document["accounts"]
    accounts["station"] |= {"deny": ["/private"], "data_tls_resumption": "prefer"}
    accounts["lansurvey"]["data_tls_resumption"] = "require"
    accounts["anonymous"]["tls"] = "required"
    document["nodes"]["node1"]["passive_ports"] = {"first": 30000, "last": 30003}
    return yaml.safe_dump(document)


@pytest.fixture(scope="session")
def guarded(tmp_path_factory):
    """A node without a replicator whose settings leave clients little room."""
    limits = {
        "login_timeout_s": 2.0,
        "login_delay_s": 0.1,
        "transfer_stall_s": 0.5,
        "minimum_bytes_per_s": 10_000,
        "listing_entries": 25_000,
    }
    cluster = write_cluster(tmp_path_factory.mktemp("guarded"), nodes=1, replication="none", limits=limits)
    cluster.file.write_text(_guard(cluster.file.read_text()))
    with running(cluster) as node:
        yield node


@pytest.fixture(scope="module")
def _station(alone):
    with alone.client() as client:
        yield client


@pytest.fixture
def station(_station):
    """A session that starts in its home; one login serves most tests, because a login is slow on purpose."""
    assert _station.ask("CWD /").startswith("250")
    return _station
