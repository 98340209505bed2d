"""What the pinned watchdog does when it loses sight, on real inotify: each fault is noticed, whatever it costs."""

import ctypes
import errno
import os
import shutil
import threading
from pathlib import Path

import msgspec
import pytest
from watchdog.observers import inotify_c

from cluster.clock import monotonic_s
from replicator.core.dirty import Mark
from replicator.watching.kernel_watches import limits
from replicator.watching.watch import Watch
from tests.kit.wait import PATIENCE_S, until


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture
def watch(root):
    watch = Watch(root)
    watch.start()
    yield watch
    watch.stop()


def marks(watch):
    """Collects what is taken from now on: the last mark of each path."""
    found = {}

    def more():
        found.update(watch.take(0.0).paths)
        return found

    return more


def folders_of(root):
    return [os.path.relpath(path, root) for path, _, _ in os.walk(root) if path != str(root) and ".tripod" not in path]


def all_is_watched(watch, root):
    return watch.unwatched(folders_of(root)) == set()


def reader_of(watch):
    return watch._observer._inotify_fd


def test_the_audit_names_every_folder_while_the_watcher_is_whole(watch, root):
    assert watch.is_auditable
    (root / "a/b/c").mkdir(parents=True)
    until(lambda: all_is_watched(watch, root), "new folders are watched")
    assert watch.unwatched(["a", "nowhere"]) == set()


def test_a_queue_that_overflows_marks_everything_and_leaves_every_folder_watched(watch, root, monkeypatch):
    limit = limits().queued_events
    stalled, go_on, handle = threading.Event(), threading.Event(), reader_of(watch).handle_event

    def stall(event):
        stalled.set()
        go_on.wait(60)
        handle(event)

    monkeypatch.setattr(reader_of(watch), "handle_event", stall)
    (root / "first").touch()
    assert stalled.wait(PATIENCE_S)
    for number in range(limit // 3 + 4000):  # each is created, closed, and has its times set
        (root / str(number)).touch()
    (root / "made/while/it/was/full").mkdir(parents=True)
    go_on.set()
    until(lambda: watch.overflowed_s, "the overflow is noticed")
    assert watch.take(0.0).everything
    until(lambda: all_is_watched(watch, root), "what was made meanwhile is watched")
    (root / "made/while/it/was/full/x").write_bytes(b"x")
    seen = marks(watch)
    until(lambda: "made/while/it/was/full/x" in seen(), "events come again")


def test_a_reader_that_dies_is_noticed_and_a_new_watcher_sees(watch, root):
    reader_of(watch)._watch_for_wd.clear()  # the books contradict the kernel, as after a churn of renames
    reader_of(watch).handle_event = lambda event: {}[event.wd]
    (root / "x").write_bytes(b"x")
    until(lambda: "KeyError" in watch.trouble(monotonic_s(), 60.0), "the death is told")
    watch.stop()
    watch.start()
    assert watch.trouble(monotonic_s(), 60.0) == ""
    (root / "y").write_bytes(b"y")
    seen = marks(watch)
    until(lambda: "y" in seen(), "the new watcher sees")


def test_what_goes_wrong_with_an_event_of_a_file_is_a_death(root):
    watch = Watch(root)
    watch.saw = lambda path, _told: {}[path]
    watch.start()
    try:
        (root / "x").write_bytes(b"x")
        until(lambda: "KeyError" in watch.trouble(monotonic_s(), 60.0), "the death is told")
    finally:
        watch.stop()


def test_while_the_thread_for_folders_hangs_files_are_seen_but_the_canary_is_not(watch, root):
    seen = marks(watch)
    (emitter,) = watch._observer.emitters
    with emitter._lock:
        watch.unanswered_s = 0.0
        watch.touch_canary()
        (root / "x").write_bytes(b"x")
        until(lambda: "x" in seen(), "the file is seen")
        assert watch.is_blind(monotonic_s(), 5.0)
    until(lambda: not watch.is_blind(monotonic_s(), 5.0), "the canary comes when it hangs no more")


FILES = {
    "it was written": (lambda root, _: (root / "x").write_bytes(b"x"), {"x": Mark(0.0, whole=True)}),
    "its time was set": (lambda root, _: os.utime(root / "old"), {"old": Mark(0.0, whole=True)}),
    "it was removed": (lambda root, _: (root / "old").unlink(), {"old": Mark(0.0, deleted=True)}),
    "it was renamed": (
        lambda root, _: (root / "old").rename(root / "x"),
        {"old": Mark(0.0, deleted=True), "x": Mark(0.0, whole=True)},
    ),
    "it was moved out": (lambda root, out: (root / "old").rename(out / "x"), {"old": Mark(0.0, deleted=True)}),
    "it was moved in": (lambda root, out: (out / "in").rename(root / "x"), {"x": Mark(0.0, whole=True)}),
    "another took its name": (
        lambda root, out: [(root / "old").rename(out / "x"), (root / "old").write_bytes(b"new")],
        {"old": Mark(0.0, whole=True)},
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_what_happens_to_a_file_is_told_at_once(root, tmp_path, what):
    """None of it waits for the half second in which watchdog hopes for the other name of a rename."""
    act, expected = FILES[what]
    (root / "old").write_bytes(b"x")
    (tmp_path / "in").write_bytes(b"x")
    watch = Watch(root)
    watch.start()
    try:
        act(root, tmp_path)
        (root / "end").touch()
        seen = marks(watch)
        until(lambda: "end" in seen() and seen()["end"].whole, "all has been told")
        del seen()["end"]
        assert {path: msgspec.structs.replace(mark, at_s=0.0) for path, mark in seen().items()} == expected
    finally:
        watch.stop()


def test_a_file_that_is_being_written_is_not_whole(watch, root):
    seen = marks(watch)
    with (root / "x").open("wb", buffering=0) as file:
        file.write(b"x")
        until(lambda: "x" in seen(), "it is seen")
        assert not seen()["x"].whole


def test_threads_that_are_not_the_watchers_die_as_they_did_before(root, monkeypatch):
    heard = []
    monkeypatch.setattr(threading, "excepthook", heard.append)
    watch = Watch(root)
    watch.start()
    other = threading.Thread(target=lambda: {}["x"])
    other.start()
    other.join()
    assert [ending.exc_type for ending in heard] == [KeyError]
    assert watch.trouble(monotonic_s(), 60.0) == ""
    watch.stop()
    assert threading.excepthook == heard.append


def churn(folder, rounds):
    for number in range(rounds):
        try:
            (folder / f"d{number % 7}/e/f").mkdir(parents=True, exist_ok=True)
            (folder / f"d{number % 7}/e/x").touch()
            (folder / f"d{number % 7}").rename(folder / f"r{number % 5}")
            shutil.rmtree(folder / f"r{number % 5}", ignore_errors=True)
        except OSError:
            continue


def test_after_a_churn_of_folders_the_watcher_sees_or_is_known_not_to(watch, root):
    churners = [threading.Thread(target=churn, args=(root, 400)) for _ in range(3)]
    for churner in churners:
        churner.start()
    for churner in churners:
        churner.join()
    (root / "afterwards").mkdir()
    (root / "afterwards/x").write_bytes(b"x")
    seen = marks(watch)
    until(
        lambda: watch.trouble(monotonic_s(), 60.0) or ("afterwards/x" in seen() and all_is_watched(watch, root)),
        "it sees what came afterwards, or its death is told",
    )


def test_a_folder_that_is_moved_in_is_watched_and_marked_at_once_with_what_is_in_it(watch, root, tmp_path):
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/e/x").write_bytes(b"x")
    (tmp_path / "d").rename(root / "d")
    seen = marks(watch)
    until(lambda: "d" in seen() and seen()["d"].whole, "the folder is marked")
    until(lambda: all_is_watched(watch, root), "and watched")
    (root / "d/e/later").write_bytes(b"y")
    until(lambda: "d/e/later" in seen(), "later writes are seen")


@pytest.mark.filterwarnings("ignore:Callback with id")  # the watch of the folder was kept: watchdog warns, and goes on
def test_a_folder_that_is_moved_out_is_marked_gone_and_in_again_by_its_new_name(watch, root, tmp_path):
    (root / "d").mkdir()
    seen = marks(watch)
    until(lambda: "d" in seen() and all_is_watched(watch, root), "the folder is known")
    (root / "d").rename(tmp_path / "out")
    until(lambda: seen()["d"].deleted, "it is gone")
    (tmp_path / "out/x").write_bytes(b"x")
    (tmp_path / "out").rename(root / "again")
    until(lambda: "again" in seen() and all_is_watched(watch, root), "it is back")
    (root / "again/y").write_bytes(b"y")
    until(lambda: "again/y" in seen(), "its writes come by the new name")


def test_what_is_written_while_a_folder_is_renamed_is_marked_or_the_audit_names_the_folder(watch, root):
    """watchdog may lose a folder that is renamed before it has been watched: then the audit has to find it."""
    seen = marks(watch)
    (root / "d/s").mkdir(parents=True)
    (root / "d").rename(root / "e")
    (root / "e/s/f").write_bytes(b"f")
    until(lambda: "e/s/f" in seen() or "e/s" in seen() or "e" in seen(), "the file or a folder above it is marked")
    (root / "e/s/g").write_bytes(b"g")
    until(lambda: "e/s/g" in seen() or "e/s" in watch.unwatched(folders_of(root)), "seen, or known to be unwatched")


@pytest.fixture
def full_kernel(monkeypatch):
    """The kernel has no watch left for paths that end in `no`; the function that gives it more."""
    add = inotify_c.inotify_add_watch

    def refuse(descriptor, path, mask):
        if path.endswith(b"no"):
            ctypes.set_errno(errno.ENOSPC)
            return -1
        return add(descriptor, path, mask)

    monkeypatch.setattr(inotify_c, "inotify_add_watch", refuse)
    return lambda: monkeypatch.setattr(inotify_c, "inotify_add_watch", add)


def test_a_folder_for_which_the_kernel_has_no_watch_is_found_by_the_audit(full_kernel, watch, root):
    (root / "yes").mkdir()
    (root / "no").mkdir()
    until(lambda: watch.unwatched(["yes", "no"]) == {"no"}, "the audit names it")
    full_kernel()
    watch.stop()
    watch.start()
    assert watch.unwatched(["yes", "no"]) == set()


def descriptors():
    return list(Path("/proc/self/fd").iterdir())


@pytest.mark.usefixtures("full_kernel")
def test_a_root_that_cannot_be_watched_is_an_error_and_leaves_no_descriptor_open(tmp_path):
    root = tmp_path / "no"
    root.mkdir()
    watch = Watch(root)
    before = descriptors()
    for _ in range(3):
        with pytest.raises(OSError, match="limit"):
            watch.start()
        watch.stop()
    until(lambda: len(descriptors()) <= len(before), "what was opened is closed")


def test_what_happens_in_staging_is_not_heard_but_what_comes_out_of_it_is(root):
    staging = root / ".tripod/staging"
    staging.mkdir(parents=True)
    watch, heard = Watch(root), []
    watch.saw = lambda path, told, saw=watch.saw: (heard.append(path), saw(path, told))
    watch.start()
    try:
        seen = marks(watch)
        (staging / "up-1").write_bytes(b"x")
        (staging / "up-1").rename(root / "shown")
        until(lambda: "shown" in seen(), "the file is seen under its name")
        assert seen()["shown"].whole
        assert str(root / "shown") in heard
        assert [path for path in heard if path.startswith(str(staging))] == []
    finally:
        watch.stop()
