"""Bit-rot: found by reading again, out of the tree at once, never a version, whole again from a peer; or an alarm."""

import asyncio
import ctypes
import errno
import os
import platform
import threading

import msgspec
import pytest

from cluster.content_id import content_id_of
from cluster.replication_settings import Replication
from replicator.core.head import seen_by
from replicator.core.place import Applied
from replicator.disk.rereading import ChangedError, Rereading
from replicator.measures import Measures
from replicator.not_yet import NotYetError
from replicator.watching.scrub import Scrub
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica, hold, remote_head
from tests.kit.wait import PATIENCE_S

pytestmark = pytest.mark.asyncio
QUICK = Replication(scrub_bytes_per_s=1 << 40)
IDLE, LAST = 3 << 13, 2 << 13 | 7  # ioprio_set(2)


def install(replica, path, good, on_disk):
    """A known file whose bytes on the disk are these, although its stat is the known one."""
    file = replica.tree.root / path
    file.write_bytes(on_disk)
    replica.hear(path, (remote_head(good, mtime_ns=file.stat().st_mtime_ns),))
    place = replica.index.place(path)
    row = msgspec.structs.replace(replica.tree.look(path).row, content_id=content_id_of(good))
    replica.index.feed(path, Applied(row=row, seen=seen_by(place.heads)))


def scrubbing(replica):
    return Scrub(replica, Measures(), QUICK)


async def test_sound_files_are_read_and_left_alone(tmp_path):
    async with OpenReplica(tmp_path) as here:
        install(here, "x", b"good", b"good")
        before = here.index.place("x")
        scrub = scrubbing(here)
        await scrub.round(hurried=True)
        assert here.index.place("x") == before
        assert scrub.health(10**30).found == 0
        assert scrub.notices() == ()
        assert tree(here.tree.root) == {"x": b"good"}


async def test_rotten_content_leaves_the_tree_and_comes_back_whole(tmp_path):
    async with OpenReplica(tmp_path) as here:
        install(here, "x", b"good", b"goop")
        heads = here.index.place("x").heads
        scrub = scrubbing(here)
        await scrub.round(hurried=True)
        assert tree(here.tree.root) == {}
        (kept,) = (here.tree.root / ".tripod/quarantine").iterdir()
        assert kept.read_bytes() == b"goop"
        (notice,) = scrub.notices()
        assert "'x'" in notice
        assert kept.name in notice
        with pytest.raises(NotYetError):
            await here.settle("x")
        assert tree(here.tree.root) == {}
        hold(here, b"good")
        await here.settle("x")
        assert tree(here.tree.root) == {"x": b"good"}
        assert here.index.place("x").heads == heads
        scrub.tidy()
        assert not kept.exists()
        assert (scrub.notices(), here.index.quarantine, scrub.found) == ((), {}, 1)


async def test_what_is_in_quarantine_outlives_a_restart(tmp_path):
    async with OpenReplica(tmp_path) as here:
        install(here, "x", b"good", b"goop")
        await scrubbing(here).round(hurried=True)
        await here.index.durable()
    async with OpenReplica(tmp_path) as here:
        scrub = scrubbing(here)
        scrub.tidy()
        assert len(scrub.notices()) == 1
        await here.rescan("x", deleted=True)
        assert here.index.pending == {"x"}


async def test_between_index_and_rename_a_crash_makes_no_version(tmp_path):
    async with OpenReplica(tmp_path) as here:
        install(here, "x", b"good", b"goop")
        heads = here.index.place("x").heads
        here.tree.root.joinpath(".tripod/quarantine").write_bytes(b"in the way")
        await scrubbing(here).round(hurried=True)
        assert tree(here.tree.root) == {"x": b"goop"}
    async with OpenReplica(tmp_path) as here:
        await here.rescan("x")
        assert here.index.place("x").heads == heads
        hold(here, b"good")
        await here.settle("x")
        assert tree(here.tree.root) == {"x": b"good"}


async def test_what_was_replaced_or_deleted_is_not_missed(tmp_path):
    async with OpenReplica(tmp_path) as here:
        for path in ("x", "y"):
            install(here, path, b"good", b"goop")
        scrub = scrubbing(here)
        await scrub.round(hurried=True)
        here.hear("x", (remote_head(None, sequence=2),))
        here.hear("y", (remote_head(b"newer", sequence=3),))
        scrub.tidy()
        assert scrub.notices() == ()
        assert not list((here.tree.root / ".tripod/quarantine").iterdir())


async def test_a_file_that_somebody_changed_is_not_judged(tmp_path):
    async with OpenReplica(tmp_path) as here:
        install(here, "x", b"good", b"goop")
        (here.tree.root / "x").write_bytes(b"an edit")
        scrub = scrubbing(here)
        await scrub.round(hurried=True)
        assert tree(here.tree.root) == {"x": b"an edit"}
        row = here.index.place("x").row
        with pytest.raises(ChangedError):
            Rereading(here.tree, here.tree.root / "x", row)
        with pytest.raises(ChangedError):
            Rereading(here.tree, here.tree.root / "nowhere", row)


async def test_what_patterns_exclude_stays_since_nobody_would_give_it_back(tmp_path):
    async with OpenReplica(tmp_path) as here:
        install(here, "x.tmp", b"good", b"goop")
        here.index.excludes = lambda path: path.endswith(".tmp")
        await scrubbing(here).round(hurried=True)
        assert tree(here.tree.root) == {"x.tmp": b"goop"}


async def test_what_cannot_be_read_is_rotten(tmp_path, monkeypatch):
    async with OpenReplica(tmp_path) as here:
        install(here, "x", b"good", b"good")

        def fail(*_):
            raise OSError(errno.EIO, "the disk")

        monkeypatch.setattr("replicator.disk.rereading.os.pread", fail)
        await scrubbing(here).round(hurried=True)
        assert tree(here.tree.root) == {}
        assert here.index.pending == {"x"}


async def test_what_is_wrong_once_alone_stays(tmp_path, monkeypatch):
    async with OpenReplica(tmp_path) as here:
        install(here, "x", b"good", b"good")
        sound = iter((False, True))
        monkeypatch.setattr(Rereading, "is_sound", lambda _self: next(sound))
        scrub = scrubbing(here)
        await scrub.round(hurried=True)
        assert (tree(here.tree.root), scrub.found) == ({"x": b"good"}, 0)


async def test_a_doubted_content_is_read_before_its_turn(tmp_path):
    async with OpenReplica(tmp_path) as here:
        install(here, "x", b"good", b"goop")
        here.index.note_scrub(type(here.index.scrub)(last_began_ns=1 << 60))
        scrub = Scrub(here, Measures(), msgspec.structs.replace(QUICK, scrub_days=0))
        running = asyncio.create_task(scrub.run())
        scrub.doubt(content_id_of(b"good"))
        await running
        assert tree(here.tree.root) == {}


async def test_a_round_goes_on_where_the_last_run_stopped(tmp_path):
    async with OpenReplica(tmp_path) as here:
        for path in ("a", "b", "c"):
            install(here, path, path.encode(), b"?")
        here.index.note_scrub(type(here.index.scrub)(cursor="b", began_ns=5))
        await scrubbing(here).round(hurried=True)
        assert set(tree(here.tree.root)) == {"a", "b"}
        assert (here.index.scrub.cursor, here.index.scrub.last_began_ns) == ("", 5)


async def test_a_doubt_does_not_wait_for_the_rests_within_a_large_file(tmp_path, monkeypatch):
    monkeypatch.setattr("replicator.watching.scrub._NOTED_AFTER_S", -1.0)
    async with OpenReplica(tmp_path) as here:
        for path, on_disk in (("a", b"a"), ("b-large", bytes(3 << 20)), ("c", b"goop")):
            install(here, path, b"good" if path == "c" else on_disk, on_disk)
        scrub = Scrub(here, Measures(), msgspec.structs.replace(QUICK, scrub_bytes_per_s=64 << 10))
        running = asyncio.create_task(scrub.round())

        async def until(condition):
            while not condition():
                await asyncio.to_thread(threading.Event().wait, 0.01)

        async with asyncio.timeout(PATIENCE_S):
            await until(lambda: scrub.health(1).percent)  # the first of three chunks is read, and a long rest follows
            assert here.index.scrub.cursor == "a"
            scrub.doubt(content_id_of(b"good"))
            await until(lambda: "c" not in tree(here.tree.root))
        running.cancel()
        assert set(tree(here.tree.root)) == {"a", "b-large"}


@pytest.mark.parametrize("reading", [1, 2])
@pytest.mark.parametrize("is_read", [False, True])
async def test_rot_is_found_although_our_own_hand_sets_its_time_meanwhile(tmp_path, monkeypatch, reading, is_read):
    async with OpenReplica(tmp_path) as here:
        install(here, "x", b"good", b"goop")
        here.hear("x", (remote_head(b"good", sequence=2, mtime_ns=10**15),))
        loop, judged, readings = asyncio.get_running_loop(), Rereading.is_sound, []

        def touched():
            asyncio.run_coroutine_threadsafe(here.settle("x"), loop).result(PATIENCE_S)

        def judged_and_touched(self):
            readings.append(self)
            if len(readings) == reading and not is_read:
                touched()
            sound = judged(self)
            if len(readings) == reading and is_read:
                touched()
            return sound

        monkeypatch.setattr(Rereading, "is_sound", judged_and_touched)
        await scrubbing(here).round(hurried=True)
        assert tree(here.tree.root) == {}
        assert here.index.quarantine.keys() == {"x"}


async def test_a_file_whose_time_is_just_being_set_is_read_when_that_is_done(tmp_path):
    async with OpenReplica(tmp_path) as here:
        install(here, "x", b"good", b"goop")
        place = here.index.place("x")
        async with here.locks.of("x"):
            row = here.tree.touch("x", place.row, 10**15)
            running = asyncio.create_task(scrubbing(here).round(hurried=True))
            ended, _ = await asyncio.wait([running], timeout=0.2)
            here.index.feed("x", Applied(row=row, seen=place.seen))
        await running
        assert not ended
        assert here.index.quarantine.keys() == {"x"}


async def test_what_is_written_over_rot_in_the_last_moment_is_a_version_and_stays(tmp_path, monkeypatch):
    async with OpenReplica(tmp_path) as here:
        install(here, "x", b"good", b"goop")

        def written_over(_folder):
            (here.tree.root / "x").write_bytes(b"an edit")

        monkeypatch.setattr("replicator.watching.scrub.make_folders_durably", written_over)
        scrub = scrubbing(here)
        await scrub.round(hurried=True)
        await here.rescan("x")
        assert tree(here.tree.root) == {"x": b"an edit"}
        assert [head.content_id for head in here.index.place("x").heads] == [content_id_of(b"an edit")]
        scrub.tidy()
        assert here.index.quarantine == {}


async def test_an_overdue_round_waits_for_the_disk_like_anybody_and_says_so(tmp_path, monkeypatch):
    number = {"x86_64": 252, "aarch64": 31}[platform.machine()]  # ioprio_get(2)
    priorities, pread = [], os.pread

    def asked(*arguments):
        priorities.append(ctypes.CDLL(None).syscall(number, 1, 0))
        return pread(*arguments)

    async with OpenReplica(tmp_path) as here:
        install(here, "x", b"good", b"good")
        monkeypatch.setattr("replicator.disk.rereading.os.pread", asked)
        slow = msgspec.structs.replace(QUICK, scrub_bytes_per_s=1 << 16)
        scrub = Scrub(here, Measures(), msgspec.structs.replace(slow, scrub_days=1))
        here.index.note_scrub(type(here.index.scrub)(began_ns=5))
        (notice,) = scrub.notices()
        assert "1 days" in notice
        await scrub.round()
        assert set(priorities) == {LAST}
        assert scrub.notices() == ()
        priorities.clear()
        await scrub.round()
        assert set(priorities) == {IDLE}
