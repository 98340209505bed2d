"""The journal and what is told of a path: versions, who holds it, what waits, what happened; bounded, and durable."""

import pytest

from cluster.content_id import content_id_of
from replicator.core.head import Kind
from replicator.core.place import Found, Row, Written
from replicator.not_yet import NotYetError
from replicator.operators.explain import explain
from replicator.peers.owed import list_backlog
from tests.kit.replica import FakeLink, OpenReplica, hold, remote_head

pytestmark = pytest.mark.asyncio


class Peer(FakeLink):
    connected = True


def acked(name, sequence):
    peer = Peer(name)
    peer.facts = type(peer.facts)(acked=sequence)
    return peer


async def test_what_happened_to_a_path_is_told_in_its_order(tmp_path):
    async with OpenReplica(tmp_path) as here:
        here.index.keep_history(100)
        hold(here, b"theirs")
        here.hear("x", (remote_head(b"theirs"),))
        await here.settle("x")
        here.index.feed("other", Written(row=None, now_ns=5))
        (here.tree.root / "x").write_bytes(b"edited here")
        await here.rescan("x")
        told = await explain(here, (), {}, "x")
    assert [moment.what for moment in told.history] == ["heard", "shown", "found"]
    assert told.history[-1].content_id == content_id_of(b"edited here")[:16]
    assert told.history[0].node == "there"


async def test_the_story_outlives_a_restart_and_goes_on(tmp_path):
    for number in range(3):
        async with OpenReplica(tmp_path) as here:
            here.index.keep_history(100)
            (here.tree.root / "x").write_bytes(b"%d" % number)
            await here.rescan("x")
    async with OpenReplica(tmp_path) as here:
        assert [moment.sequence for moment in (await explain(here, (), {}, "x")).history] == [1, 2, 3]


async def test_a_stamp_that_was_put_right_is_told_of_the_version_that_has_it_and_outlives_a_restart(tmp_path):
    ahead = remote_head(b"theirs", stamp_ns=2 * 10**18)
    async with OpenReplica(tmp_path) as here:
        here.index.keep_history(100)
        here.hear("x", (ahead,))
        here.index.correct_clock(10**18)
        told = await explain(here, (), {}, "x")
    assert [(moment.what, moment.node, moment.sequence) for moment in told.history] == [
        ("heard", "there", 1),
        ("restamped", "there", 1),
    ]
    async with OpenReplica(tmp_path) as here:
        (head,) = here.index.place("x").heads
        assert head.dot == ahead.dot
        assert head.stamp_ns == here.index.clock.stamp_ns == 10**18 + 1


async def test_the_journal_is_bounded(tmp_path):
    async with OpenReplica(tmp_path) as here:
        here.index.keep_history(1500)
        for number in range(4000):
            here.index.feed(f"f{number}", Found(row=Row(kind=Kind.FILE, content_id="0" * 64), now_ns=number + 1))
        await here.index.durable()
        assert not (await explain(here, (), {}, "f2000")).history
        assert (await explain(here, (), {}, "f3999")).history


async def test_without_a_journal_the_rest_is_told(tmp_path):
    async with OpenReplica(tmp_path) as here:
        here.index.keep_history(0)
        (here.tree.root / "x").write_bytes(b"x")
        await here.rescan("x")
        told = await explain(here, (acked("n2", 1), acked("n3", 0)), {}, "x")
    assert told.history == ()
    assert (told.holds, told.told_holders, told.waits) == (True, ("n2",), "")
    assert [version.node for version in told.versions] == ["here"]


async def test_what_waits_says_why(tmp_path):
    async with OpenReplica(tmp_path) as here:
        here.hear("x", (remote_head(b"theirs"),))
        with pytest.raises(NotYetError):
            await here.settle("x")
        told = await explain(here, (), {"x": "no peer gives it"}, "x")
        assert not told.holds
        assert "fetched" in told.waits
        assert "no peer gives it" in told.waits


async def test_a_conflict_tells_who_wins_and_where_the_loser_is(tmp_path):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "x").write_bytes(b"mine")
        await here.rescan("x")
        hold(here, b"theirs")
        stamp_ns = here.index.clock.stamp_ns + 10**9
        here.hear("x", (remote_head(b"theirs", stamp_ns=stamp_ns),))
        await here.settle("x")
        told = await explain(here, (), {}, "x")
        (lost,) = told.losers
        assert (here.tree.root / lost.file).read_bytes() == b"mine"
        assert [version.node for version in told.versions] == ["there", "here"]
        assert "another file" in told.why[0]


async def test_what_a_peer_is_owed_is_counted_with_age_and_paths(tmp_path):
    async with OpenReplica(tmp_path) as here:
        for number in range(10):
            (here.tree.root / f"f{number}").write_bytes(b"1234")
            await here.rescan(f"f{number}")
        await here.index.durable()
        first_ns = here.index.place("f0").heads[0].stamp_ns
        found = await list_backlog(here.index, (acked("n2", 10), acked("n3", 0), acked("n4", 7)), first_ns + 10**9, 2)
    none, everything, some = found.peers
    assert (none.entries, none.size_bytes, none.oldest_s, none.paths) == (0, 0, None, ())
    assert (everything.entries, everything.size_bytes, everything.paths) == (10, 40, ("f0", "f1"))
    assert everything.oldest_s == 1.0
    assert (some.entries, some.paths) == (3, ("f7", "f8"))
