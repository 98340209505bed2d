"""Marks paths that may have changed, from the kernel's events, and notices when it has gone blind.

Events are hints, never truth. watchdog 7.1.0 drops events on a queue overflow with a log line alone, and its reader
thread can die while everything looks alive; so a canary file is touched, and its event must come back, an exception in
one of its threads is heard, and the directories that the kernel watches can be compared with those of the tree.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from typing_extensions import override
from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyEmitter, InotifyObserver

from cluster.clock import monotonic_s
from cluster.log import logger
from cluster.tree_path import RESERVED, STAGING, complaint
from replicator.core.dirty import Dirty, Mark, Told, collapsed, marked, ripe
from replicator.watching.kernel_watches import inode_of, unwatched, watched_inodes

_CANARY: Final = f"{RESERVED}/watch/canary"
_EVENTS: Final[list[type[FileSystemEvent]]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
_TELLS: Final = {"closed": Told.WHOLE, "attrib": Told.ATTRIBUTES, "deleted": Told.GONE, "moved": Told.GONE}
_JOIN_S: Final = 5.0
_COLLAPSE_EVERY: Final = 1000

log = logger(__name__)


class Watch:
    """Watches one root. Marks come from watchdog's thread; the control thread takes them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._prefix = f"{os.fspath(root)}/"
        self._canary = root / _CANARY
        self._ignored = root / STAGING
        self._lock = threading.Lock()
        self._paths: dict[str, Mark] = {}
        self._taken_s: dict[str, float] = {}
        self._folders: set[str] = set()
        self._everything = False
        self._observer: _Observer | None = None
        self._hook = _OverflowHook(self)
        self._outer_hook = threading.excepthook
        self._death = ""
        self.wake: Callable[[], None] = _nobody_waits
        self.unanswered_s: float | None = None  # since when the canary is touched and no event has told of it
        self.overflowed_s = 0.0
        self.is_auditable = False

    def start(self) -> None:
        """Watch from now on; OSError when the kernel will not (its limits on watches). Blocks while it walks."""
        self._canary.parent.mkdir(parents=True, exist_ok=True)
        observer = _Observer(generate_full_events=True)  # they tell what was moved in from what was created
        try:
            observer.schedule(_Handler(self), os.fspath(self._root), recursive=True, event_filter=_EVENTS)
            observer.start()
        except OSError:
            observer.stop()
            raise
        observer.ignore(self._ignored)
        self._observer, self._death = observer, ""
        logging.getLogger("watchdog").addHandler(self._hook)
        self._outer_hook = threading.excepthook
        threading.excepthook = self._thread_ended
        self.unanswered_s = None
        # not on every file system do fdinfo and stat name the same inode
        self.is_auditable = inode_of(self._root) in watched_inodes(observer.descriptor)

    def stop(self) -> None:
        """Stop watching. Blocks."""
        logging.getLogger("watchdog").removeHandler(self._hook)
        if threading.excepthook == self._thread_ended:
            threading.excepthook = self._outer_hook
        self.is_auditable = False
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(_JOIN_S)
            self._observer = None

    def touch_canary(self) -> None:
        """Change the canary: its event must come. Blocks."""
        if self._observer is not None:
            self._observer.ignore(self._ignored)  # watchdog watches all anew after an overflow
        if self.unanswered_s is None:
            self.unanswered_s = monotonic_s()
        self._canary.write_text("tripod watches this file to know that it is not blind\n")

    def is_blind(self, now_s: float, patience_s: float) -> bool:
        """Whether the event of a canary that was touched has been missing for longer than `patience_s`."""
        since_s = self.unanswered_s
        return since_s is not None and now_s - since_s > patience_s

    def trouble(self, now_s: float, patience_s: float) -> str:
        """Why nothing is seen any more, empty when something is."""
        if self._death:
            return self._death
        return "no event has come for the file that is touched for it" if self.is_blind(now_s, patience_s) else ""

    def unwatched(self, folders: Iterable[str]) -> frozenset[str]:
        """Those of the root and these folders that the kernel does not watch for us. Blocks.

        None of them while it cannot be told. One that was made a moment ago may be among them.
        """
        observer = self._observer
        if observer is None or not self.is_auditable:
            return frozenset()
        try:
            return unwatched(self._root, ["", *folders], watched_inodes(observer.descriptor))
        except FileNotFoundError:  # the descriptor is closed: a thread has died, and its death is told elsewhere
            return frozenset()

    def mark(self, path: str, *, deleted: bool = False, told: Told = Told.BEGUN) -> None:
        """Something may have happened to `path`."""
        with self._lock:
            mark = marked(
                self._paths.get(path),
                Told.GONE if deleted else told,
                monotonic_s(),
                lately_taken=path in self._taken_s,
            )
            is_first = not self._paths
            self._paths[path] = mark
            if len(self._paths) % _COLLAPSE_EVERY == 0:
                shrunk = collapsed(self._paths)
                self._paths = dict(shrunk.paths)
                self._folders |= shrunk.folders
                self._everything |= shrunk.everything
        if mark.whole or is_first:
            self.wake()

    def mark_found(self, path: str) -> None:
        """`path` changes just now: it is looked at after a quiet time, unless events know more."""
        with self._lock:
            self._paths.setdefault(path, Mark(monotonic_s()))
        self.wake()

    def mark_folder(self, folder: str) -> None:
        """Anything may have happened below `folder`."""
        with self._lock:
            self._folders.add(folder)
        self.wake()

    def mark_everything(self) -> None:
        """Anything may have happened anywhere."""
        with self._lock:
            self._everything = True
        self.wake()

    def take(self, quiet_s: float) -> Dirty:
        """What must be looked at now; it is marked no more."""
        with self._lock:
            now_s = monotonic_s()
            ready = ripe(self._paths, now_s, quiet_s)
            self._taken_s = {path: at_s for path, at_s in self._taken_s.items() if now_s - at_s < quiet_s}
            for path in ready:
                del self._paths[path]
                self._taken_s[path] = now_s
            dirty = Dirty(ready, frozenset(self._folders), self._everything)
            self._folders, self._everything = set(), False
            return dirty

    @property
    def is_marked(self) -> bool:
        """Whether paths are marked that are not ripe yet."""
        return bool(self._paths)

    def removed(self) -> list[str]:
        """The paths of whose removal an event has told, and which are not to be looked at yet."""
        with self._lock:
            return [path for path, mark in self._paths.items() if mark.deleted]

    def saw(self, absolute: str, told: Told) -> None:
        """An event names this file."""
        if not absolute.startswith(self._prefix):
            return
        path = absolute[len(self._prefix) :]
        if path == _CANARY:
            self.unanswered_s = None
        elif complaint(path) is None:
            self.mark(path, told=told)

    def overflowed(self) -> None:
        """The kernel's queue was full, and events are lost."""
        self.overflowed_s = monotonic_s()
        self.mark_everything()

    def _thread_ended(self, ending: threading.ExceptHookArgs) -> None:
        if self._observer is not None and ending.thread in self._observer.threads:
            self._death = f"a thread of watchdog died: {ending.exc_value!r}"
        else:
            self._outer_hook(ending)


class _Observer(InotifyObserver):
    """watchdog's, with what must be known of it to doubt it; the private names are those of the pinned version."""

    @property
    def descriptor(self) -> int:
        """The inotify descriptor."""
        return self._inotify_fd._inotify_fd  # noqa: SLF001 there is no other way to ask the kernel about it

    @property
    def threads(self) -> set[threading.Thread]:
        """Every thread that must live for events to come."""
        return {self, self._inotify_fd, *self.emitters}

    def ignore(self, folder: Path) -> None:
        """Hear nothing of what happens in a folder of our own, in which much does."""
        for emitter in self.emitters:
            assert isinstance(emitter, InotifyEmitter), "this observer makes no others"
            group = emitter._inotify  # noqa: SLF001 there is no other way to leave a folder out
            if group is not None:
                with group._lock:  # noqa: SLF001
                    watch = group._active_callbacks_by_path.get(os.fsencode(folder))  # noqa: SLF001
                    if watch is not None:
                        group._remove_callbacks([watch])  # noqa: SLF001

    @override
    def on_thread_stop(self) -> None:
        try:
            super().on_thread_stop()
        except KeyError:  # its books contradict each other, most likely of that a thread has died
            self._inotify_fd.stop()


class _Handler(FileSystemEventHandler):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    @override
    def on_any_event(self, event: FileSystemEvent) -> None:
        told = _TELLS.get(event.event_type, Told.WHOLE if event.is_directory else Told.BEGUN)
        self._watch.saw(os.fsdecode(event.src_path), told)
        if event.dest_path:
            self._watch.saw(os.fsdecode(event.dest_path), Told.WHOLE)


class _OverflowHook(logging.Handler):
    """watchdog tells of an overflow in its log alone."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.WARNING)
        self._watch = watch

    @override
    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(ValueError):
            if "overflow" in record.getMessage().lower():
                self._watch.overflowed()


def _nobody_waits() -> None:
    """The marks are asked for."""
