"""Reads a file again, from the disk itself and without being in anybody's way, to see whether it is what it was."""

import contextlib
import ctypes
import errno
import os
import platform
from pathlib import Path
from typing import Final

from cluster.content_id import ContentHash
from cluster.folders import OddEntryError
from cluster.log import logger
from replicator.core.place import Row
from replicator.disk.tree import Tree, sighting

CHUNK_BYTES: Final = 1 << 20
_IOPRIO_SET: Final = {"x86_64": 251, "aarch64": 30}
_IDLE: Final = 3 << 13
_LAST: Final = 2 << 13 | 7
_UNREADABLE: Final = {errno.EIO, errno.EBADMSG}

log = logger(__name__)


class ChangedError(Exception):
    """The file is not the one that is known: a look at it is due, not a judgement."""


class Rereading:
    """One file, read in chunks; each call blocks. Close it."""

    def __init__(self, tree: Tree, file: Path, known: Row) -> None:
        """ChangedError when it is not what is `known`; OSError passes."""
        self._known = known
        self._content = ContentHash()
        self._offset = 0
        self._unreadable = False
        try:
            self._fd = tree.open(file)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, OddEntryError) as error:
            raise ChangedError(str(file)) from error
        try:
            self._check()
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)  # or the page cache would answer for the disk
        except BaseException:
            os.close(self._fd)
            raise

    def read(self) -> int:
        """Read the next chunk; how many bytes, 0 at the end."""
        try:
            data = os.pread(self._fd, CHUNK_BYTES, self._offset)
        except OSError as error:
            if error.errno not in _UNREADABLE:
                raise
            self._unreadable = True
            return 0
        self._content.update(data)
        self._offset += len(data)
        return len(data)

    def is_sound(self) -> bool:
        """Whether all that was read is what is known; ChangedError when the file changed meanwhile."""
        self._check()
        return not self._unreadable and self._content.content_id() == self._known.content_id

    def close(self) -> None:
        """Leave nothing in the page cache that others could use better."""
        with contextlib.suppress(OSError):
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(self._fd)

    def _check(self) -> None:
        try:
            seen = sighting(os.fstat(self._fd)).row
        except OddEntryError as error:
            raise ChangedError from error
        if not seen.same_file(self._known):
            raise ChangedError


def is_small_sound(tree: Tree, file: Path, known: Row) -> bool:
    """Read a small file whole: whether it has the content that is known. ChangedError and OSError pass."""
    reading = Rereading(tree, file, known)
    try:
        while reading.read():
            pass
        return reading.is_sound()
    finally:
        reading.close()


def be_idle() -> None:
    """Have the calling thread's disk accesses wait for everybody else's (ioprio_set(2)), where the kernel can."""
    if not _have_priority(_IDLE):
        log.info("scrubbing has no priority of its own on this machine")


def be_last() -> None:
    """Have the calling thread's disk accesses wait for others' no longer than anybody's, as the last of their class."""
    _have_priority(_LAST)


def _have_priority(priority: int) -> bool:
    number = _IOPRIO_SET.get(platform.machine())
    return number is not None and ctypes.CDLL(None, use_errno=True).syscall(number, 1, 0, priority) == 0
