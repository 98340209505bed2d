"""The disk follows the index: whole files, losers kept, nothing overwritten that was not known."""

import os

import msgspec
import pytest

from replicator.core.head import Kind, seen_by, winner
from replicator.core.place import Written
from replicator.disk.conflict_store import over_quota
from replicator.disk.marker import WrongRootError
from replicator.disk.second_names import expect_second_name
from replicator.index.index import Conflict
from replicator.index.intent import Intent
from replicator.not_yet import NotYetError
from replicator.restart import replay_intents
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica, hold, remote_head

pytestmark = pytest.mark.asyncio


async def test_a_head_from_a_peer_is_shown_with_its_content_and_time(tmp_path):
    async with OpenReplica(tmp_path) as here:
        hold(here, b"theirs")
        here.hear("d/x", (remote_head(b"theirs", mtime_ns=10**15),))
        await here.settle("d/x")
        assert tree(here.tree.root) == {"d": None, "d/x": b"theirs"}
        assert (here.tree.root / "d/x").stat().st_mtime_ns == 10**15
        assert not here.index.pending


async def test_without_content_the_old_file_stays(tmp_path):
    async with OpenReplica(tmp_path) as here:
        hold(here, b"old")
        here.hear("x", (remote_head(b"old"),))
        await here.settle("x")
        here.hear("x", (remote_head(b"new", sequence=2),))
        with pytest.raises(NotYetError):
            await here.settle("x")
        assert tree(here.tree.root) == {"x": b"old"}
        assert here.index.pending == {"x"}


async def test_content_that_is_here_under_another_name_is_copied(tmp_path):
    async with OpenReplica(tmp_path) as here:
        hold(here, b"same")
        here.hear("x", (remote_head(b"same"),))
        await here.settle("x")
        here.hear("y", (remote_head(b"same", sequence=2),))
        await here.settle("y")
        assert tree(here.tree.root) == {"x": b"same", "y": b"same"}
        assert (here.tree.root / "x").stat().st_ino != (here.tree.root / "y").stat().st_ino


async def test_an_edit_nobody_had_noticed_and_a_peers_change_are_both_kept(tmp_path):
    async with OpenReplica(tmp_path) as here:
        hold(here, b"old")
        here.hear("x", (remote_head(b"old"),))
        await here.settle("x")
        (here.tree.root / "x").write_bytes(b"edited in place")
        hold(here, b"new")
        here.hear("x", (remote_head(b"new", sequence=2),))
        await here.settle("x")
        (conflict,) = here.index.conflicts.values()
        kept = (here.tree.conflicts / conflict.kept).read_bytes()
        assert {*tree(here.tree.root).values(), kept} == {b"edited in place", b"new"}


async def test_a_prepared_copy_that_lost_meanwhile_is_kept(tmp_path):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "x").write_bytes(b"mine")
        await here.rescan("x")
        hold(here, b"theirs")
        here.hear("x", (remote_head(b"theirs", stamp_ns=1),))
        await here.settle("x")
        assert tree(here.tree.root) == {"x": b"mine"}
        (conflict,) = here.index.conflicts.values()
        assert (here.tree.conflicts / conflict.kept).read_bytes() == b"theirs"


async def test_a_tombstone_removes_only_what_it_had_seen(tmp_path):
    async with OpenReplica(tmp_path) as here:
        hold(here, b"old")
        here.hear("x", (remote_head(b"old"),))
        await here.settle("x")
        (here.tree.root / "x").write_bytes(b"edited in place")
        here.hear("x", (remote_head(None, sequence=2, stamp_ns=1 << 61),))
        await here.settle("x")
        assert tree(here.tree.root) == {"x": b"edited in place"}


async def test_a_deleted_directory_with_a_new_file_in_it_comes_back(tmp_path):
    async with OpenReplica(tmp_path) as here:
        here.hear("d", (remote_head(b"", kind=Kind.DIRECTORY),))
        await here.settle("d")
        (here.tree.root / "d/new").write_bytes(b"new")
        await here.rescan("d/new")
        here.hear("d", (remote_head(None, sequence=2),))
        await here.settle("d")
        assert tree(here.tree.root) == {"d": None, "d/new": b"new"}
        assert here.index.is_live("d")


async def test_a_deleted_directory_with_an_unknown_file_waits(tmp_path):
    async with OpenReplica(tmp_path) as here:
        here.hear("d", (remote_head(b"", kind=Kind.DIRECTORY),))
        await here.settle("d")
        (here.tree.root / "d/unknown").write_bytes(b"unknown")
        here.hear("d", (remote_head(None, sequence=2),))
        with pytest.raises(NotYetError):
            await here.settle("d")
        assert tree(here.tree.root) == {"d": None, "d/unknown": b"unknown"}


async def test_a_file_that_must_become_a_directory_is_kept(tmp_path):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "a").write_bytes(b"a file")
        await here.rescan("a")
        hold(here, b"child")
        here.hear("a/b", (remote_head(b"child"),))
        await here.settle("a/b")
        assert tree(here.tree.root) == {"a": None, "a/b": b"child"}
        (conflict,) = here.index.conflicts.values()
        assert (here.tree.conflicts / conflict.kept).read_bytes() == b"a file"


async def test_no_change_leaves_the_root_through_a_symbolic_link(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "d").symlink_to(outside)
        hold(here, b"evil")
        here.hear("d/x", (remote_head(b"evil"),))
        with pytest.raises(NotYetError):
            await here.settle("d/x")
        assert list(outside.iterdir()) == []


async def test_a_wrong_root_is_never_changed(tmp_path):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / ".tripod/marker").unlink()
        hold(here, b"x")
        here.hear("x", (remote_head(b"x"),))
        with pytest.raises(WrongRootError):
            await here.settle("x")
        with pytest.raises(WrongRootError):
            await here.rescan("x", deleted=True)
        assert tree(here.tree.root) == {}


async def test_what_is_known_survives_a_restart(tmp_path):
    async with OpenReplica(tmp_path) as here:
        hold(here, b"x")
        here.hear("x", (remote_head(b"x"),))
        await here.settle("x")
        here.hear("y", (remote_head(b"y", sequence=2),))
        places, clock = dict(here.index.places), here.index.clock
    async with OpenReplica(tmp_path) as again:
        assert (again.index.places, again.index.clock) == (places, clock)
        assert again.index.pending == {"y"}
        assert again.index.live_files == 2


async def test_a_prepared_copy_survives_a_restart_and_a_torn_one_does_not(tmp_path):
    async with OpenReplica(tmp_path) as here:
        hold(here, b"whole")
        torn = here.staging.new_file(remote_head(b"torn").content_id)
        torn.write_bytes(b"to")
        here.staging.publishing_file().write_bytes(b"nobody was told")
    async with OpenReplica(tmp_path) as again:
        assert len(list(again.staging.folder.iterdir())) == 1
        again.hear("x", (remote_head(b"whole"),))
        await again.settle("x")
        assert tree(again.tree.root) == {"x": b"whole"}


@pytest.mark.parametrize(("content", "reached"), [(b"new", True), (b"old", False)])
async def test_an_intent_is_finished_when_its_change_reached_the_disk(tmp_path, content, reached):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "x").write_bytes(b"old")
        await here.rescan("x")
        here.index.intend(Intent(path="x", content_id=remote_head(b"new").content_id))
    (tmp_path / "root/x").write_bytes(content)
    async with OpenReplica(tmp_path) as again:
        before = again.index.clock.sequence
        assert await replay_intents(again) == 1
        assert (again.index.clock.sequence > before) is reached
        assert not again.index.intents


@pytest.mark.parametrize("removes", [True, False])
async def test_an_intent_that_is_finished_supersedes_what_was_seen_when_it_was_asked_for_alone(tmp_path, removes):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "x").write_bytes(b"old")
        await here.rescan("x")
        saw = seen_by(here.index.place("x").heads)
        here.hear("x", (remote_head(b"unseen", stamp_ns=5),))
        what = Intent(path="", gone="x") if removes else Intent(path="x", content_id=remote_head(b"new").content_id)
        here.index.intend(msgspec.structs.replace(what, saw=saw))
    (tmp_path / "root/x").unlink()
    if not removes:
        (tmp_path / "root/x").write_bytes(b"new")
    async with OpenReplica(tmp_path) as again:
        assert await replay_intents(again) == 1
        left = {head.content_id for head in again.index.place("x").heads}
        assert left == {remote_head(b"unseen").content_id, "" if removes else remote_head(b"new").content_id}


async def test_what_had_only_got_its_second_name_when_the_end_came_is_not_read_again(tmp_path):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "x").write_bytes(b"old")
        await here.rescan("x")
        await expect_second_name(here.index, "x", here.index.place("x").row)
    (tmp_path / "second").hardlink_to(tmp_path / "root/x")
    status = (tmp_path / "root/x").stat()
    (tmp_path / "second").write_bytes(b"rot")
    os.utime(tmp_path / "second", ns=(status.st_atime_ns, status.st_mtime_ns))
    async with OpenReplica(tmp_path) as again:
        await again.rescan("x")
        place = again.index.place("x")
        assert [head.content_id for head in place.heads] == [place.row.content_id] == [remote_head(b"old").content_id]
        assert place.row.ctime_ns == (tmp_path / "root/x").stat().st_ctime_ns
        (tmp_path / "root/x").write_bytes(b"new")
        await again.rescan("x")
        assert again.index.place("x").row.content_id == remote_head(b"new").content_id


async def test_a_rename_cut_off_after_the_disk_changed_is_finished(tmp_path):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "x").write_bytes(b"content")
        await here.rescan("x")
        here.index.intend(Intent(path="y", content_id=remote_head(b"content").content_id, gone="x"))
    (tmp_path / "root/x").rename(tmp_path / "root/y")
    async with OpenReplica(tmp_path) as again:
        await replay_intents(again)
        assert winner(again.index.place("x").heads).kind is Kind.TOMBSTONE
        assert again.index.is_live("y")
        assert not again.index.pending


async def test_announcements_name_each_path_once_and_durable_ones_only(tmp_path):
    async with OpenReplica(tmp_path) as here:
        for sequence, path in enumerate(["x", "y", "x"], start=1):
            here.hear(path, (remote_head(b"%d" % sequence, sequence=sequence),))
        await here.index.durable()
        assert here.index.announcements(0, 10) == [(2, "y"), (3, "x")]
        assert here.index.announcements(2, 10) == [(3, "x")]
        assert here.index.announcements(0, 1) == [(2, "y")]


async def test_no_news_is_merged_when_some_of_it_shows_that_our_index_was_rolled_back(tmp_path):
    async with OpenReplica(tmp_path) as here:
        here.index.feed("y", Written(row=None, now_ns=5))
        forgotten = {here.index.clock.replica: here.index.clock.sequence + 1}
        here.hear_all([("x", (remote_head(b"x"),)), ("y", (remote_head(None, sequence=2, saw=forgotten),))])
        with pytest.raises(WrongRootError, match="older than what the peers have seen"):
            here.marker.check()
        assert not here.index.place("x").heads


async def test_old_tombstones_that_everybody_has_are_forgotten(tmp_path):
    async with OpenReplica(tmp_path) as here:
        here.index.feed("x", Written(row=None, now_ns=5))
        here.index.feed("y", Written(row=None, now_ns=500))
        await here.index.durable()
        assert here.index.forget_tombstones(0, 100) == 0
        assert here.index.forget_tombstones(2, 100) == 1
        assert set(here.index.places) == {"y"}
        assert here.index.announcements(0, 10) == [(2, "y")]


async def test_a_full_index_refuses_and_recovers(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await here.index.durable()  # the writer's thread and ours use one connection: not at once
        database = here.index._writer._database
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}")
        for number in range(500):
            here.index.feed(f"path-{number}", Written(row=None, now_ns=5))
        with pytest.raises(Exception, match="full"):
            await here.index.durable()
        assert here.index.durable_sequence == 0
        database.execute("PRAGMA max_page_count = 100000")
        await here.index.durable()
        assert here.index.durable_sequence == 500


def lost(number, size_bytes):
    return Conflict(path=f"p{number}", content_id="c", node="n", stamp_ns=number, size_bytes=size_bytes, kept="k")


async def test_the_oldest_conflicts_leave_a_full_store_first():
    conflicts = (lost(3, 10), lost(1, 10), lost(2, 10))
    assert [conflict.stamp_ns for conflict in over_quota(conflicts, 15)] == [1, 2]
    assert over_quota(conflicts, 30) == ()
