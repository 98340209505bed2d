"""Directories, renames, deletions and times wait for the peers as uploads do; only a first failure costs."""

import pytest

from cluster.clock import monotonic_s
from cluster.publish import MakeDirectory, Policy, Reason, Remove, Rename, SetMtime
from tests.cluster.test_replicators import running
from tests.kit.publish_client import tree

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

DEGRADE = Policy(nodes="any-peer", when_short="degrade")
REFUSE = Policy(nodes="any-peer", when_short="refuse")


def changes(policy):
    """One change of each kind; each finds what it needs, whether those before it were made or refused."""
    return [
        MakeDirectory(id=1, path="new", policy=policy),
        Rename(id=2, source="Data/a", target="Data/b", policy=policy),
        Remove(id=3, path="Data/gone", kind="file", policy=policy),
        Remove(id=4, path="Data/empty", kind="directory", policy=policy),
        SetMtime(id=5, path="Data/old", mtime_ns=10**18, policy=policy),
    ]


@pytest.mark.parametrize("first", [0, 2])
def test_the_first_change_waits_for_a_frozen_peer_and_the_next_do_not(tmp_path, first):
    settings = {"prepare_timeout_s": 2.0, "lease_s": 60.0}
    with running(tmp_path, replication_settings=settings) as replicators, replicators.client("node1") as client:
        for name in ("a", "gone", "old"):
            client.upload(f"Data/{name}", b"content", DEGRADE)
        client.ask(MakeDirectory(id=1, path="Data/empty"))
        before = replicators.alike("all have it")
        replicators.pause("node2")
        kinds = changes(DEGRADE)
        kinds = kinds[first:] + kinds[:first]
        began_s = monotonic_s()
        answers = [client.ask(kinds[0])]
        waited_s = monotonic_s() - began_s
        answers += [client.ask(change) for change in kinds[1:]]
        assert [(answer.copies, answer.wanted) for answer in answers] == [(1, 2)] * 5
        assert monotonic_s() - began_s - waited_s < waited_s
        after = {"Data": None, "Data/b": b"content", "Data/old": b"content", "new": None}
        assert tree(replicators.root("node1")) == after

        for change in changes(REFUSE):
            answer = client.ask(change)
            assert answer.reason in {Reason.TOO_FEW_COPIES, Reason.EXISTS, Reason.NOT_FOUND}
        assert tree(replicators.root("node1")) == after
        assert tree(replicators.root("node2")) == before
        replicators.go_on("node2")
        assert replicators.alike("the peer catches up") == after


def test_what_too_few_nodes_would_hold_is_refused_and_changes_nothing(tmp_path):
    with running(tmp_path) as replicators, replicators.client("node1") as client:
        for name in ("a", "gone", "old"):
            client.upload(f"Data/{name}", b"content", DEGRADE)
        client.ask(MakeDirectory(id=1, path="Data/empty"))
        before = replicators.alike("all have it")
        replicators.pause("node2")
        for change in changes(REFUSE):
            assert client.ask(change).reason is Reason.TOO_FEW_COPIES
        assert tree(replicators.root("node1")) == before
        replicators.go_on("node2")
        replicators.ready()
        assert replicators.alike("nothing has changed") == before
