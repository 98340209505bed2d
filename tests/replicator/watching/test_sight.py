"""Blindness of the watcher: found, mended, told, and over only when a scan has seen everything since."""

import pytest

from cluster.clock import monotonic_s
from replicator.measures import Measures
from replicator.watching.kernel_watches import Limits, advice, limits, parse_fdinfo
from replicator.watching.sight import Sight, topmost
from replicator.watching.watch import Watch
from tests.kit.replica import OpenReplica

FDINFO = """pos:\t0
flags:\t00
inotify wd:2 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:7e9e0000640d1b6d
inotify wd:1 ino:a111 sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:11a1000020542153
"""


class DoubtfulWatch(Watch):
    """A watcher that fails as the test says."""

    def __init__(self, root):
        super().__init__(root)
        self.starts, self.refused, self.missing, self.unwatchable = 0, False, frozenset(), frozenset()

    def start(self):
        self.starts += 1
        if self.refused:
            raise OSError(28, "inotify watch limit reached")
        self.unanswered_s, self._death = None, ""
        self.missing = self.unwatchable

    def stop(self):
        """Nothing to stop."""

    def touch_canary(self):
        """Nobody answers."""

    def unwatched(self, _folders):
        return self.missing

    def die(self):
        self._death = "a thread of watchdog died: KeyError(7)"


class Looking:
    """A sight over a doubtful watch; use as an async context manager."""

    def __init__(self, folder):
        self._open = OpenReplica(folder)

    async def __aenter__(self):
        replica = await self._open.__aenter__()
        self.watch, self.measures = DoubtfulWatch(self._open.root), Measures()
        self.sight = Sight(self.watch, replica, self.measures, 60.0, {"d", "d/e"})
        await self.sight.start()
        return self

    async def __aexit__(self, *about):
        await self._open.__aexit__(*about)

    def scan(self):
        self.sight.scanned(monotonic_s())

    def count(self, name):
        return self.measures.registry.get_sample_value(f"tripod_replicator_{name}")


@pytest.mark.asyncio
async def test_a_watcher_that_sees_is_left_alone(tmp_path):
    async with Looking(tmp_path) as looking:
        await looking.sight.check()
        assert (looking.watch.starts, looking.sight.why_blind, looking.sight.notices(0.0)) == (1, "", ())
        assert looking.sight.blind_for_s(monotonic_s()) is None
        assert not looking.watch.take(0.0).everything


@pytest.mark.asyncio
async def test_a_dead_thread_is_mended_at_the_next_check_and_told_until_everything_is_scanned(tmp_path):
    async with Looking(tmp_path) as looking:
        before_s = monotonic_s()
        looking.watch.die()
        await looking.sight.check()
        assert looking.watch.starts == 2
        assert looking.watch.take(0.0).everything
        assert "KeyError" in looking.sight.why_blind
        assert "KeyError" in looking.sight.notices(monotonic_s())[0]
        assert looking.count("watch_rebuilds_total") == looking.count("watch_blind") == 1
        looking.sight.scanned(before_s)  # it began too early
        assert looking.sight.why_blind
        looking.scan()
        assert looking.sight.why_blind == ""
        assert looking.count("watch_blind") == 0


@pytest.mark.asyncio
async def test_a_canary_that_stays_away_is_blindness(tmp_path):
    async with Looking(tmp_path) as looking:
        looking.watch.unanswered_s = monotonic_s() - 62.0
        await looking.sight.check()
        assert looking.watch.starts == 2
        assert "no event" in looking.sight.why_blind


@pytest.mark.asyncio
async def test_an_overflow_is_told_until_everything_is_scanned(tmp_path):
    async with Looking(tmp_path) as looking:
        looking.watch.overflowed()
        await looking.sight.check()
        assert looking.watch.starts == 1
        assert "lost" in looking.sight.why_blind
        looking.scan()
        await looking.sight.check()
        assert (looking.sight.why_blind, looking.count("watch_overflows_total")) == ("", 1)


@pytest.mark.asyncio
async def test_a_folder_that_two_audits_miss_has_the_watcher_built_anew(tmp_path):
    async with Looking(tmp_path) as looking:
        looking.watch.missing = frozenset({"d"})
        await looking.sight.check()
        assert (looking.watch.starts, looking.sight.why_blind) == (1, "")  # it may just have been made
        await looking.sight.check()
        assert looking.watch.starts == 2
        assert "'d'" in looking.sight.why_blind
        looking.scan()
        looking.sight._audit_s = 0.0
        await looking.sight.check()
        assert looking.sight.why_blind == ""


@pytest.mark.asyncio
async def test_what_cannot_be_watched_is_scanned_and_told_and_the_watcher_is_not_built_anew_each_time(tmp_path):
    async with Looking(tmp_path) as looking:
        looking.watch.missing = looking.watch.unwatchable = frozenset({"d", "d/e"})
        for _ in range(5):
            looking.sight._audit_s = 0.0
            await looking.sight.check()
            looking.scan()
            dirty = looking.watch.take(0.0)
        assert looking.watch.starts == 2
        assert dirty.folders == {"d"}
        assert "2 folders are not watched" in looking.sight.why_blind
        assert looking.count("unwatched_folders") == 2


@pytest.mark.asyncio
async def test_a_root_that_cannot_be_watched_is_tried_again_at_each_check(tmp_path):
    async with Looking(tmp_path) as looking:
        looking.watch.refused = True
        looking.watch.die()
        await looking.sight.check()
        assert not looking.sight.is_watching
        looking.scan()
        assert "limit" in looking.sight.why_blind
        looking.watch.refused = False
        await looking.sight.check()
        looking.scan()
        assert looking.sight.is_watching
        assert looking.sight.why_blind == ""


def test_the_kernels_text_on_a_descriptor_names_the_inodes():
    assert parse_fdinfo(FDINFO) == {0x9E7E, 0xA111}
    assert parse_fdinfo(FDINFO.replace("inotify", "fanotify")) == parse_fdinfo("pos:\t0\nino:\t77\n") == set()


def test_low_limits_come_with_the_sysctl_that_mends_them(tmp_path):
    assert advice(1000, Limits(watches=8192, queued_events=16_384)) == ()
    watches, events = advice(10_000, Limits(watches=8192, queued_events=512))
    assert "8192" in watches
    assert "sysctl fs.inotify.max_user_watches=65536" in watches
    assert "sysctl fs.inotify.max_queued_events=131072" in events
    for name, text in (("max_user_watches", "7\n"), ("max_queued_events", "8\n")):
        (tmp_path / name).write_text(text)
    assert limits(tmp_path) == Limits(7, 8)


def test_of_folders_only_the_topmost_are_scanned():
    assert topmost(frozenset({"a", "a/b/c", "b/c"})) == {"a", "b/c"}
    assert topmost(frozenset({"", "a"})) == {""}
