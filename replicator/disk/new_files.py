"""Writes small new files durably, many at once. All functions block."""

import contextlib
import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from cluster.durable_file import begin_writing, sync_file_system
from replicator.disk.calm import is_calm
from replicator.disk.lanes import attempt

_AT_ONCE: Final = 64  # so many are open
_SEVERAL: Final = 4
_LITTLE_BYTES: Final = 4 << 20  # somebody waits for the answer, so it is less than beside FTP


class NewFile(msgspec.Struct, frozen=True):
    """A file that is to be written; its time is when that was, unless it is known."""

    file: Path
    data: bytes
    mtime_ns: int | None = None
    mode: int = 0o644


def write_each(pieces: Sequence[NewFile]) -> Sequence[Exception | None]:
    """Write them, with bytes, time and mode durable, but not their names; what went wrong with each.

    All are on their way to the disk before the first is waited for, so that the disk can take them together.
    """
    slices = (pieces[start : start + _AT_ONCE] for start in range(0, len(pieces), _AT_ONCE))
    return [result for some in slices for result in _write_some(some)]


def write_soon(pieces: Sequence[NewFile]) -> Sequence[Exception | None]:
    """As `write_each`; several by one sync of the file system, while hardly anything else waits for the disk."""
    if len(pieces) < _SEVERAL or not is_calm(_LITTLE_BYTES):
        return write_each(pieces)
    written = [attempt(_write, piece) for piece in pieces]
    synced = attempt(sync_file_system, pieces[0].file.parent)
    return [each or synced for each in written]


def write_together(pieces: Sequence[NewFile]) -> None:
    """As `write_each`, by one sync of the whole file system; OSError passes."""
    for piece in pieces:
        _write(piece)
    if pieces:
        sync_file_system(pieces[0].file.parent)


def _write(piece: NewFile) -> None:
    os.close(_written(piece))


def _write_some(pieces: Sequence[NewFile]) -> list[Exception | None]:
    with contextlib.ExitStack() as files:
        begun = [attempt(functools.partial(_begin, files), piece) for piece in pieces]
        return [fd if isinstance(fd, Exception) else attempt(os.fsync, fd) for fd in begun]


def _begin(files: contextlib.ExitStack, piece: NewFile) -> int:
    """Write one, which stays open as long as `files`, and have the disk begin."""
    fd = _written(piece)
    files.callback(os.close, fd)
    begin_writing(fd)
    return fd


def _written(piece: NewFile) -> int:
    """The descriptor of the file, with its bytes, time and mode."""
    fd = os.open(piece.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(piece.data)
        while view:
            view = view[os.write(fd, view) :]
        os.fchmod(fd, piece.mode)
        if piece.mtime_ns is not None:
            os.utime(fd, ns=(piece.mtime_ns, piece.mtime_ns))
    except BaseException:
        os.close(fd)
        raise
    return fd
