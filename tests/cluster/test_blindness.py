"""A running replicator whose watcher fails: it finds out, finds what it missed, and says so meanwhile."""

import asyncio
import ctypes
import errno
import threading

import pytest
from watchdog.observers import inotify_c

from cluster.clock import monotonic_s
from replicator.service import Service
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import PATIENCE_S

pytestmark = [pytest.mark.cluster, pytest.mark.asyncio]


class Running:
    """A replicator in this process; use as an async context manager."""

    def __init__(self, folder):
        self.cluster = write_cluster(folder / "cluster", nodes=1, replication_settings={"canary_interval_s": 0.2})
        self.root = self.cluster.settings.nodes["node1"].root

    async def __aenter__(self):
        self._service = Service(self.cluster.settings, "node1", self.cluster.management_token())
        self._stop = asyncio.Event()
        self._running = asyncio.get_running_loop().create_task(self._service.run(self._stop))
        self.engine = self._service._engine
        await self.until(lambda: self.health.state.value == "ready" and self.health.watching, "it is ready")
        return self

    async def __aexit__(self, *_about):
        self._stop.set()
        await self._running

    @property
    def health(self):
        return self.engine.condition.health()

    def has(self, path):
        return self.engine.replica.index.is_live(path)

    async def until(self, condition, what, timeout_s=PATIENCE_S):
        deadline_s = monotonic_s() + timeout_s
        while not condition():
            assert monotonic_s() < deadline_s, f"still not after {timeout_s} s: {what}: {self.health}"
            assert not self._running.done()
            await asyncio.sleep(0.01)


async def test_a_reader_that_dies_is_replaced_what_it_missed_is_found_and_health_says_why_and_since_when(
    tmp_path, monkeypatch
):
    async with Running(tmp_path) as here:
        start, is_told = here.engine._watch.start, threading.Event()

        def start_when_it_is_told():
            assert is_told.wait(PATIENCE_S)
            start()

        monkeypatch.setattr(here.engine._watch, "start", start_when_it_is_told)  # it may take but milliseconds
        here.engine._watch._observer._inotify_fd.handle_event = lambda event: {}[event.wd]
        (here.root / "missed").write_bytes(b"missed")
        await here.until(lambda: "KeyError" in here.health.why_blind, "health says why")
        assert here.health.blind_for_s >= 0
        assert any("blind for" in notice and "KeyError" in notice for notice in here.health.notices)
        is_told.set()
        await here.until(lambda: here.has("missed") and here.health.why_blind == "", "it is found, and sight is back")
        assert here.health.blind_for_s is None
        (here.root / "later").write_bytes(b"later")
        await here.until(lambda: here.has("later"), "events come again")


async def test_changes_in_a_folder_that_the_kernel_does_not_watch_are_found_nevertheless(tmp_path, monkeypatch):
    add = inotify_c.inotify_add_watch

    def refuse(descriptor, path, mask):
        if path.endswith(b"/no"):
            ctypes.set_errno(errno.ENOSPC)
            return -1
        return add(descriptor, path, mask)

    monkeypatch.setattr(inotify_c, "inotify_add_watch", refuse)
    async with Running(tmp_path) as here:
        (here.root / "no").mkdir()
        await here.until(lambda: "'no'" in here.health.why_blind, "health names the folder")
        for name in ("first", "second"):
            (here.root / f"no/{name}").write_bytes(b"x")
            await here.until(lambda name=name: here.has(f"no/{name}"), "it is found")
        assert "'no'" in here.health.why_blind
