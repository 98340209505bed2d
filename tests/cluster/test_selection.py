"""Patterns on real replicators: what is excluded stays on its node, and comes over when the patterns change."""

import pytest

from cluster.publish import Policy, Reason
from tests.cluster.test_replicators import running
from tests.kit.cluster_folder import rewritten
from tests.kit.publish_client import tree
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

BOTH = Policy(nodes="all", when_short="refuse")


def test_what_is_excluded_stays_where_it_is_until_the_patterns_change(tmp_path):
    with running(tmp_path, replication_settings={"exclude": '["*.tmp"]'}) as replicators:
        one, two = (replicators.root(name) for name in replicators.names)
        (one / "a.tmp").write_bytes(b"of node1")
        (two / "b.tmp").write_bytes(b"of node2")
        (one / "c").write_bytes(b"for both")
        with replicators.client("node1") as client:
            assert client.upload("up.tmp", b"x", BOTH).reason is Reason.BAD_PATH
            assert client.upload("up", b"x", BOTH).copies == 2
        until((two / "c").exists, "the other file is on both")
        assert tree(one) == {"a.tmp": b"of node1", "c": b"for both", "up": b"x"}
        assert tree(two) == {"b.tmp": b"of node2", "c": b"for both", "up": b"x"}

        for name in replicators.names:
            replicators.kill(name)
        rewritten(replicators.cluster, lambda document: document["replication"].pop("exclude"))
        replicators.start().ready()
        whole = {"a.tmp": b"of node1", "b.tmp": b"of node2", "c": b"for both", "up": b"x"}
        until(lambda: tree(one) == tree(two) == whole, "all of it is on both now")

        for name in replicators.names:
            replicators.kill(name)
        rewritten(replicators.cluster, lambda document: document["replication"].update(exclude=["c"]))
        replicators.start().ready()
        (one / "c").unlink()
        with replicators.client("node1") as client:
            assert client.upload("last", b"y", BOTH).copies == 2
        assert tree(two) == whole | {"last": b"y"}
