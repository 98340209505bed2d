"""What the patterns exclude is neither told nor heard nor looked at, and changing them deletes nothing."""

import pytest

from cluster.publish import MakeDirectory, Publish, Remove, Rename, SetMtime
from cluster.replication_settings import Replication
from replicator.core.head import winner
from replicator.index.index import PeerFacts
from replicator.publish.refusals import RefusedError, refuse_excluded
from replicator.selecting import follow_selection
from replicator.watching.scan import Scan
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica, hold, remote_head
from tests.replicator.test_held_deletes import NoWatch

pytestmark = pytest.mark.asyncio

SOME = Replication(exclude=("*.tmp", "scratch/**"), include=("scratch/keep/**",))


async def test_a_scan_takes_in_what_is_included_alone(tmp_path):
    async with OpenReplica(tmp_path, imported=False) as here:  # so that nothing has to rest first
        follow_selection(here.index, SOME)
        for path in ("a.tmp", "a", "scratch/x", "scratch/keep/y", "d/b.tmp"):
            (here.tree.root / path).parent.mkdir(parents=True, exist_ok=True)
            (here.tree.root / path).write_bytes(b"")
        await Scan(here, NoWatch(), missing_is_deleted=True).run()
        await here.rescan("a.tmp")
        assert sorted(path for path in here.index.places if here.index.is_live(path)) == [
            "a", "d", "scratch", "scratch/keep", "scratch/keep/y",
        ]  # fmt: skip


async def test_what_a_peer_tells_of_an_excluded_path_is_ignored(tmp_path):
    async with OpenReplica(tmp_path) as here:
        follow_selection(here.index, SOME)
        hold(here, b"x")
        here.hear_all([("a.tmp", (remote_head(b"x"),)), ("a", (remote_head(b"x", sequence=2),))], "there")
        assert list(here.index.places) == ["a"]
        await here.settle("a.tmp")
        await here.settle("a")
        assert tree(here.tree.root) == {"a": b"x"}


async def test_changed_patterns_delete_nothing_and_have_the_peers_tell_again(tmp_path):
    async with OpenReplica(tmp_path) as here:
        hold(here, b"x")
        here.hear("a.tmp", (remote_head(b"x"),))
        await here.settle("a.tmp")
        here.hear("b.tmp", (remote_head(b"not here yet", sequence=2),))
        here.index.note_peer("there", PeerFacts(incarnation="1", seen=7, held=5, acked=3))
        follow_selection(here.index, SOME)
        assert not here.index.pending
        assert here.index.peers["there"] == PeerFacts(incarnation="1", acked=3)
        (here.tree.root / "a.tmp").unlink()
        await Scan(here, NoWatch(), missing_is_deleted=True).delete(["a.tmp"])
        assert winner(here.index.place("a.tmp").heads).is_live
        here.index.note_peer("there", PeerFacts(incarnation="1", seen=7))
    async with OpenReplica(tmp_path) as here:
        follow_selection(here.index, SOME)
        assert here.index.peers["there"].seen == 7, "the same patterns change nothing"
        follow_selection(here.index, Replication())
        assert here.index.peers["there"].seen == 0


@pytest.mark.parametrize(
    "request_",
    [
        Publish(id=1, path="a.tmp", staged="up-1", content_id="0" * 64, size_bytes=0, mtime_ns=0),
        MakeDirectory(id=1, path="d.tmp"),
        Remove(id=1, path="a.tmp", kind="file"),
        SetMtime(id=1, path="a.tmp", mtime_ns=0),
        Rename(id=1, source="d", target="e.tmp"),
        Rename(id=1, source="d", target="scratch"),
    ],
)
async def test_a_client_may_not_change_what_would_stand_on_this_node_alone(tmp_path, request_):
    async with OpenReplica(tmp_path) as here:
        here.hear("d/x", (remote_head(b"x"),))
        follow_selection(here.index, SOME)
        with pytest.raises(RefusedError, match="not replicated"):
            refuse_excluded(here.index, request_)
        refuse_excluded(here.index, Rename(id=1, source="d", target="e"))
