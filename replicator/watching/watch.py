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

from cluster.clock import monotonic_s
from cluster.log import logger
from cluster.tree_path import RESERVED, STAGING, complaint
from replicator.core.dirty import Dirty, Mark, Told, collapsed, marked, ripe
from replicator.watching.kernel_watches import inode_of, unwatched, watched_inodes
from replicator.watching.observer import Observer

_CANARY: Final = f"{RESERVED}/watch/canary"
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
        self._is_woken = False  # and has not taken yet
        self._taken_s: dict[str, float] = {}
        self._folders: set[str] = set()
        self._everything = False
        self._observer: Observer | None = None
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
        observer = Observer(self._root, self.saw, self._canary.parent)
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
            before = self._paths.get(path)
            now_told = Told.GONE if deleted else told
            mark = marked(before, now_told, monotonic_s(), lately_taken=path in self._taken_s)
            must_wake = (mark.whole or not self._paths) and not self._is_woken
            self._is_woken |= must_wake
            # In the order of their last events: what was moved away, then what came instead.
            self._paths.pop(path, None)
            self._paths[path] = mark
            if len(self._paths) % _COLLAPSE_EVERY == 0:
                shrunk = collapsed(self._paths)
                self._paths = dict(shrunk.paths)
                self._folders |= shrunk.folders
                self._everything |= shrunk.everything
        if must_wake:
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
        """What must be looked at now, in the order of the last events; it is marked no more."""
        with self._lock:
            now_s = monotonic_s()
            ready = ripe(self._paths, now_s, quiet_s)
            self._taken_s = {path: at_s for path, at_s in self._taken_s.items() if now_s - at_s < quiet_s}
            for path in ready:
                del self._paths[path]
                self._taken_s[path] = now_s
            dirty = Dirty(ready, frozenset(self._folders), self._everything)
            self._folders, self._everything = set(), False
            self._is_woken = any(mark.whole for mark in self._paths.values())
        if self._is_woken:
            self.wake()
        return dirty

    @property
    def is_marked(self) -> bool:
        """Whether paths are marked that are not ripe yet."""
        return bool(self._paths)

    def removed(self) -> list[str]:
        """The paths of whose removal an event has told, and which are not to be looked at yet."""
        with self._lock:
            return [path for path, mark in self._paths.items() if mark.deleted]

    def resting(self) -> list[str]:
        """The other paths that are marked and not to be looked at yet."""
        with self._lock:
            return [path for path, mark in self._paths.items() if not mark.deleted]

    def saw(self, absolute: str, told: Told) -> None:
        """An event names this file."""
        if not absolute.startswith(self._prefix):
            return
        path = absolute[len(self._prefix) :]
        if path == _CANARY:
            self.unanswered_s = None
        elif path in self._paths or complaint(path) is None:
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
