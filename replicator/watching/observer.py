"""watchdog's observer of one root, with what must be known of it to doubt it, and with a short way for files.

watchdog hands each event through three threads and two queues, to pair the two names of a rename. For folders that
must be, since a folder that was renamed stays watched under its new name. A file's two names are told one by one, in
the thread that reads from the kernel; but the canary goes the long way, for its coming is to prove that all threads
live. The private names are those of the pinned version.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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
from watchdog.observers.inotify import InotifyEmitter, InotifyFullEmitter, InotifyObserver, InotifyWatchGroup
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent

from replicator.core.dirty import Told

Saw = Callable[[str, Told], None]
"""Is told of an absolute path, in a thread of the observer. What it raises ends that thread."""

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
_FILE_TELLS: Final[dict[int, Told]] = {
    InotifyConstants.IN_CREATE: Told.BEGUN,
    InotifyConstants.IN_MODIFY: Told.BEGUN,
    InotifyConstants.IN_ATTRIB: Told.ATTRIBUTES,
    InotifyConstants.IN_CLOSE_WRITE: Told.WHOLE,
    InotifyConstants.IN_DELETE: Told.GONE,
    InotifyConstants.IN_MOVED_FROM: Told.GONE,
    InotifyConstants.IN_MOVED_TO: Told.WHOLE,
}
"""By the kernel's mask, which has one bit for an event of a file, and more for one of a folder."""


class Observer(InotifyObserver):
    """Tells `saw` what the kernel tells of one root; of files in the folder `proof` by way of every thread."""

    def __init__(self, root: Path, saw: Saw, proof: Path) -> None:
        super().__init__()
        self._emitter_class = _Emitter
        self._emitter_kwargs |= {"saw": saw, "proof": os.fsencode(proof)}
        try:
            self.schedule(_Handler(saw), os.fspath(root), recursive=True, event_filter=_EVENTS)
            self.start()
        except OSError:
            self.stop()
            raise

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
    """Of folders, and of what was found in a new one."""

    def __init__(self, saw: Saw) -> None:
        self._saw = saw

    @override
    def on_any_event(self, event: FileSystemEvent) -> None:
        told = _TELLS.get(event.event_type, Told.WHOLE if event.is_directory else Told.BEGUN)
        self._saw(os.fsdecode(event.src_path), told)
        if event.dest_path:
            self._saw(os.fsdecode(event.dest_path), Told.WHOLE)


@dataclass(kw_only=True)
class _Group(InotifyWatchGroup):
    saw: Saw
    proof: bytes

    @override
    def on_event(self, event: InotifyEvent) -> None:
        told = _FILE_TELLS.get(event.mask)
        folder = self._active_callbacks_by_watch.get(event.wd)
        if told is None or folder == self.proof:
            super().on_event(event)
        elif folder is not None:
            self.saw(f"{os.fsdecode(folder)}/{os.fsdecode(event.name)}", told)


class _Emitter(InotifyFullEmitter):
    """A full one tells what was moved in from what was created."""

    def __init__(self, *arguments: Any, saw: Saw, proof: bytes, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._saw, self._proof = saw, proof

    @override
    def on_thread_start(self) -> None:
        self._inotify = _Group(
            self._inotify_fd,
            os.fsencode(self.watch.path),
            is_recursive=self.watch.is_recursive,
            event_mask=self.get_event_mask_from_filter(),
            saw=self._saw,
            proof=self._proof,
        )
