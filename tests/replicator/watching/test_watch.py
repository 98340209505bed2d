"""The watcher: marks by events, notices overflow and blindness. The scan: finds what no event told of."""

import asyncio
import logging
import math

import pytest

from cluster.clock import monotonic_s
from cluster.folders import OddEntryError
from replicator.core.dirty import Told
from replicator.core.head import Kind, winner
from replicator.watching.scan import Scan, differing, list_folder, pause_s
from replicator.watching.watch import Watch
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica, hold, remote_head
from tests.kit.wait import until


@pytest.fixture
def watch(tmp_path):
    watch = Watch(tmp_path)
    watch.start()
    yield watch
    watch.stop()


def taken(watch):
    """Collects marks until nothing new comes; the paths with whether an event told of their removal."""
    found = {}

    def more():
        marks = watch.take(0.0).paths
        found.update({path: mark.deleted for path, mark in marks.items()})
        return found

    return more


def test_a_written_file_is_marked_and_the_reserved_folder_is_not(watch, tmp_path):
    (tmp_path / ".tripod/staging").mkdir()
    (tmp_path / ".tripod/staging/up-1").write_bytes(b"x")
    (tmp_path / "x").write_bytes(b"x")
    marks = taken(watch)
    until(lambda: "x" in marks(), "x is marked")
    assert set(marks()) == {"x"}


def test_a_removed_file_is_marked_as_removed_and_a_moved_one_at_both_names(watch, tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).write_bytes(b"x")
    marks = taken(watch)
    until(lambda: {"x", "y"} <= set(marks()), "both are marked")
    (tmp_path / "x").unlink()
    (tmp_path / "y").rename(tmp_path / "z")
    until(lambda: marks().get("x") and marks().get("y") and marks().get("z") is False, "all three are marked")


def test_marks_wait_for_a_quiet_moment(watch):
    watch.mark("x")
    assert watch.take(60.0).paths == {}
    assert set(watch.take(0.0).paths) == {"x"}


def test_whoever_waits_is_woken_once_for_all_that_is_whole_and_again_for_what_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("replicator.watching.watch.monotonic_s", lambda: 7.0)
    woken, watch = [], Watch(tmp_path)
    watch.wake = lambda: woken.append(1)
    watch.mark("begun")
    assert len(woken) == 1
    assert watch.take(60.0).paths == {}
    watch.mark("begun too")
    assert len(woken) == 1
    for name in ("a", "b", "c"):
        watch.mark(name, told=Told.WHOLE)
    assert len(woken) == 2
    assert watch.take(60.0).paths == {}  # they were whole a moment ago
    assert len(woken) == 3
    assert watch.take(0.0).paths.keys() == {"a", "b", "c", "begun", "begun too"}
    assert len(woken) == 3
    watch.mark("d", told=Told.WHOLE)
    assert len(woken) == 4


def test_the_canary_comes_back_and_without_it_the_watcher_is_blind(watch):
    watch.unanswered_s = 0.0
    assert watch.is_blind(monotonic_s(), 5.0)
    watch.touch_canary()
    until(lambda: not watch.is_blind(monotonic_s(), 5.0), "the canary was seen")
    assert not watch.is_blind(monotonic_s() + 3600.0, 5.0)  # nobody touched it meanwhile: a scan took long
    watch.stop()
    watch.touch_canary()
    assert watch.is_blind(monotonic_s() + 5.1, 5.0)
    watch.touch_canary()
    assert watch.is_blind(monotonic_s() + 5.1, 5.0)


def test_an_overflow_in_the_log_of_watchdog_marks_everything(watch):
    logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed; filesystem events were lost")
    assert watch.take(0.0).everything
    assert not watch.take(0.0).everything


def test_very_many_marks_collapse(tmp_path):
    watch = Watch(tmp_path)
    for number in range(25_000):
        watch.mark(f"d/{number}")
    dirty = watch.take(0.0)
    assert "d" in dirty.folders
    assert len(dirty.paths) < 21_000


@pytest.mark.asyncio
async def test_a_scan_takes_in_what_it_finds_heals_what_is_missing_and_skips_links(tmp_path):
    async with OpenReplica(tmp_path) as here:
        hold(here, b"known")
        here.hear("known", (remote_head(b"known"),))
        await here.settle("known")
        (here.tree.root / "known").unlink()
        (here.tree.root / "d/e").mkdir(parents=True)
        (here.tree.root / "d/e/found").write_bytes(b"found")
        (here.tree.root / "link").symlink_to("/etc/passwd")
        here.index.note(type(here.index.facts)(incarnation="1", imported=False))
        odd = await Scan(here, Watch(here.tree.root), missing_is_deleted=False).run()
        assert [(entry.path, entry.why) for entry in odd.listed] == [("link", "a symbolic link")]
        assert winner(here.index.place("d/e/found").heads).stamp_ns == 0
        assert here.index.is_live("d")
        assert here.index.pending == {"known"}
        assert tree(here.tree.root).keys() == {"d", "d/e", "d/e/found", "link"}


@pytest.mark.asyncio
@pytest.mark.parametrize(("missing_is_deleted", "kind"), [(True, Kind.TOMBSTONE), (False, Kind.FILE)])
async def test_what_a_scan_misses_is_deleted_only_where_the_settings_say_so(tmp_path, missing_is_deleted, kind):
    async with OpenReplica(tmp_path) as here:
        hold(here, b"known")
        here.hear("known", (remote_head(b"known"),))
        await here.settle("known")
        (here.tree.root / "known").unlink()
        await Scan(here, Watch(here.tree.root), missing_is_deleted=missing_is_deleted).run()
        assert winner(here.index.place("known").heads).kind is kind


@pytest.mark.asyncio
async def test_an_echo_of_our_own_change_differs_in_nothing(tmp_path):
    async with OpenReplica(tmp_path) as here:
        hold(here, b"known")
        here.hear("known", (remote_head(b"known"),))
        await here.settle("known")
        rows = {path: here.index.place(path).row for path in ("known", "never")}
        assert differing(here.tree, rows) == {}
        (here.tree.root / "known").write_bytes(b"other")
        (here.tree.root / "never").symlink_to("known")
        found = differing(here.tree, rows)
        assert found.keys() == {"known", "never"}
        assert found["known"] == here.tree.look("known")
        assert isinstance(found["never"], OddEntryError)


@pytest.mark.asyncio
async def test_a_second_scan_of_an_unchanged_tree_changes_nothing(tmp_path):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "x").write_bytes(b"x")
        here.index.note(type(here.index.facts)(incarnation="1", imported=False))
        scan = Scan(here, Watch(here.tree.root), missing_is_deleted=False)
        await scan.run()
        before = here.index.clock, dict(here.index.places)
        await scan.run()
        assert (here.index.clock, here.index.places) == before
        assert list_folder(here.tree, "nowhere").seen == {}


@pytest.mark.asyncio
async def test_a_scan_of_many_known_files_lets_others_have_their_turn(tmp_path):
    async with OpenReplica(tmp_path, imported=False) as here:
        for number in range(1000):
            (here.tree.root / str(number)).touch()
        scan = Scan(here, Watch(here.tree.root), missing_is_deleted=False)
        await scan.run()
        turns, over = 0, asyncio.Event()

        async def others():
            nonlocal turns
            while not over.is_set():
                turns += 1
                await asyncio.sleep(0)

        waiting = asyncio.get_running_loop().create_task(others())
        listing = list_folder(here.tree, "")
        scan._replica.blocking = at_once(listing)
        await scan.run()
        over.set()
        await waiting
        assert turns >= 5


def at_once(listing):
    """The pool, without a turn for anybody else."""

    async def blocking(_work, *_arguments):
        return listing

    return blocking


@pytest.mark.parametrize(
    ("entries", "took_s", "entries_per_s", "rest_s"),
    [(200, 0.0, math.inf, 0.0), (200, 0.0, 100, 2.0), (200, 1.5, 100, 0.5), (200, 3.0, 100, 0.0)],
)
def test_a_scan_rests_as_long_as_its_rate_says(entries, took_s, entries_per_s, rest_s):
    assert pause_s(entries, took_s, entries_per_s) == rest_s
