"""Quotas over SFTP: refused at OPEN, in the middle of a WRITE, and by the publisher at CLOSE."""

import pytest

from cluster.publish import Publish, Reason
from cluster.quota import Quota
from tests.ftpnode.fake_replicator import FakeReplicator, refuse
from tests.ftpnode.running import running
from tests.ftpnode.sftp.clients import LIMITS, connected, raw, with_sftp
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until

FAILURE = 4
QUOTA = {"quota_bytes": 10_000, "quota_entries": 2}


@pytest.fixture(scope="module")
def bounded(tmp_path_factory, public_key):
    cluster = write_cluster(tmp_path_factory.mktemp("sftp-quota"), nodes=2, limits=LIMITS)
    cluster = with_sftp(cluster, public_key, accounts={"station": {"limits": QUOTA}})
    with FakeReplicator(cluster.settings.nodes["node1"]) as replicator, running(cluster) as node:
        (node.root / "Station").mkdir(parents=True)
        yield node, replicator


def test_an_upload_that_outgrows_the_quota_never_appears_and_a_full_account_opens_none(bounded):
    node, _ = bounded
    with connected(node) as client:
        with pytest.raises(OSError, match="quota"), client.open("large", "w") as file:
            file.write(bytes(10_001))
        with client.open("fits", "w") as file:
            file.write(bytes(10_000))
        with pytest.raises(OSError, match="quota"):
            client.open("more", "w")
        with client.open("fits", "w") as file:
            file.write(bytes(9_000))
        with client.open("sparse", "w") as file:
            file.seek(1_000)
            with pytest.raises(OSError, match="quota"):
                file.write(b"x")
        assert client.listdir() == ["fits"]
        assert client.stat("fits").st_size == 9_000
        client.remove("fits")
    until(lambda: not node.staged(), "staging is empty")


def test_the_publisher_has_the_last_word_at_close(bounded):
    node, replicator = bounded
    replicator.behave(refuse(Reason.OVER_QUOTA))
    with raw(node) as client:
        handle = client.open(b"late")
        client.write(3, handle, 0, b"fits")
        client.status()
        assert client.close(handle) == (FAILURE, "Over the quota of this account; nothing changed.")
    with connected(node) as client, pytest.raises(OSError, match="quota"):
        client.mkdir("late")
    published, made = replicator.seen
    assert isinstance(published, Publish)
    assert published.quota == made.quota == Quota(home="Station", bytes=10_000, entries=2)
    replicator.behave()
