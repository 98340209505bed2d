"""Marks paths that may have changed, from the kernel's events, and notices when it has gone blind.

Events are hints, never truth. watchdog 7.1.0 drops events on a queue overflow with a log line alone, and its reader
thread can die while everything looks alive; so a canary file is touched, and its event must come back.
"""

import contextlib
import logging
import os
import threading
from pathlib import Path
from typing import Final

from typing_extensions import override
from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from cluster.clock import monotonic_s
from cluster.log import logger
from cluster.tree_path import RESERVED, complaint
from replicator.core.dirty import Dirty, Mark, collapsed, ripe

_CANARY: Final = f"{RESERVED}/watch/canary"
_EVENTS: Final[list[type[FileSystemEvent]]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
_JOIN_S: Final = 5.0
_COLLAPSE_EVERY: Final = 1000

log = logger(__name__)


class Watch:
    """Watches one root. Marks come from watchdog's thread; the control thread takes them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._prefix = f"{os.fspath(root)}/"
        self._canary = root / _CANARY
        self._lock = threading.Lock()
        self._paths: dict[str, Mark] = {}
        self._folders: set[str] = set()
        self._everything = False
        self._observer: BaseObserver | None = None
        self._hook = _OverflowHook(self)
        self.canary_seen_s = 0.0

    def start(self) -> None:
        """Watch from now on; OSError when the kernel will not (its limits on watches). Blocks while it walks."""
        self._canary.parent.mkdir(parents=True, exist_ok=True)
        observer = Observer()
        observer.schedule(_Handler(self), os.fspath(self._root), recursive=True, event_filter=_EVENTS)
        observer.start()
        self._observer = observer
        logging.getLogger("watchdog").addHandler(self._hook)
        self.canary_seen_s = monotonic_s()

    def stop(self) -> None:
        """Stop watching. Blocks."""
        logging.getLogger("watchdog").removeHandler(self._hook)
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(_JOIN_S)
            self._observer = None

    def touch_canary(self) -> None:
        """Change the canary: its event must come. Blocks."""
        self._canary.write_text("tripod watches this file to know that it is not blind\n")

    def is_blind(self, now_s: float, patience_s: float) -> bool:
        """Whether the canary's event has been missing for longer than `patience_s`."""
        return now_s - self.canary_seen_s > patience_s

    def mark(self, path: str, *, deleted: bool = False) -> None:
        """Something may have happened to `path`."""
        with self._lock:
            self._paths[path] = Mark(monotonic_s(), deleted)
            if len(self._paths) % _COLLAPSE_EVERY == 0:
                shrunk = collapsed(self._paths)
                self._paths = dict(shrunk.paths)
                self._folders |= shrunk.folders
                self._everything |= shrunk.everything

    def mark_everything(self) -> None:
        """Anything may have happened anywhere."""
        with self._lock:
            self._everything = True

    def take(self, quiet_s: float) -> Dirty:
        """What must be looked at now; it is marked no more."""
        with self._lock:
            ready = ripe(self._paths, monotonic_s(), quiet_s)
            for path in ready:
                del self._paths[path]
            dirty = Dirty(ready, frozenset(self._folders), self._everything)
            self._folders, self._everything = set(), False
            return dirty

    def saw(self, absolute: str, *, deleted: bool) -> None:
        """An event names this file."""
        if not absolute.startswith(self._prefix):
            return
        path = absolute[len(self._prefix) :]
        if path == _CANARY:
            self.canary_seen_s = monotonic_s()
        elif complaint(path) is None:
            self.mark(path, deleted=deleted)


class _Handler(FileSystemEventHandler):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    @override
    def on_any_event(self, event: FileSystemEvent) -> None:
        gone = event.event_type in {"deleted", "moved"}
        self._watch.saw(os.fsdecode(event.src_path), deleted=gone)
        if event.dest_path:
            self._watch.saw(os.fsdecode(event.dest_path), deleted=False)


class _OverflowHook(logging.Handler):
    """watchdog tells of an overflow in its log alone."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.WARNING)
        self._watch = watch

    @override
    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(ValueError):
            if "overflow" in record.getMessage().lower():
                self._watch.mark_everything()
