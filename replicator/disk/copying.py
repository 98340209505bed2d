"""Copies bytes from file to file, and leaves holes where there are zeros. All functions block; OSError passes."""

import errno
import os
from pathlib import Path
from typing import Final

from replicator.peers.wire import CHUNK_BYTES

_ZEROS: Final = bytes(CHUNK_BYTES)
_STEP_BYTES: Final = 1 << 30
_CANNOT_COPY: Final = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


def copy_file(source: int, target: Path) -> None:
    """Copy an open file; the target is new."""
    copy = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        offset = 0
        while copied := copy_range(source, copy, _STEP_BYTES, offset, offset):
            offset += copied
        os.ftruncate(copy, offset)
    finally:
        os.close(copy)


def write_file(file: Path, data: bytes) -> None:
    """Write a new file, and make its bytes durable."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, len(data))
        put(fd, data, 0)
        os.fsync(fd)
    finally:
        os.close(fd)


def put(fd: int, data: bytes, offset: int) -> None:
    """Write at a place that nothing was written to before: of zeros a hole is left."""
    if data == _ZEROS[: len(data)]:
        return
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def copy_range(source: int, target: int, size_bytes: int, at: int, offset: int) -> int:
    """Have the kernel copy, which shares the blocks where the file system can; how many bytes it copied."""
    try:
        return os.copy_file_range(source, target, size_bytes, at, offset)
    except OSError as error:
        if error.errno not in _CANNOT_COPY:
            raise
    data = os.pread(source, min(size_bytes, CHUNK_BYTES), at)
    put(target, data, offset)
    return len(data)
