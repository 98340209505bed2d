"""Puts files on the disk so that they survive a power cut: fsync the file, rename it, fsync the folder.

The one place that may rename (a contract in the settings of the linter). Every OSError passes through: a failed
fsync means the bytes are not safe, and the caller must say so.
"""

import contextlib
import ctypes
import os
import secrets
from pathlib import Path
from typing import Final

PRIVATE_MODE: Final = 0o600

_SYNC_FILE_RANGE_WRITE: Final = 2  # linux/fs.h
_MEMINFO: Final = Path("/proc/meminfo")
_libc: Final = ctypes.CDLL(None, use_errno=True)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable (POSIX: a rename is safe only after its folder's fsync)."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file(path: Path) -> None:
    """Make the content of the file at `path` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file_system(folder: Path) -> None:
    """Make all durable that is on the file system of `folder` now: cheaper than an fsync for each of many files."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc.syncfs(fd):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(fd)


def unwritten_bytes(meminfo: Path = _MEMINFO) -> int:
    """How much all programs of this host have written that no disk has yet: what a sync may have to wait for, at most.

    ValueError when the kernel does not say it.
    """
    fields = (line.split() for line in meminfo.read_text().splitlines())
    sizes = [int(size) for name, size, *_ in fields if name in {"Dirty:", "Writeback:"}]
    if len(sizes) != 2:
        message = f"{meminfo} does not say what is still to be written"
        raise ValueError(message)
    return sum(sizes) << 10  # it says kB and means KiB


def begin_writing(fd: int) -> None:
    """Have the kernel begin to write the file's bytes; a hint that promises nothing, and a later fsync waits for less.

    Without it the kernel does not even choose their place on the disk before the fsync of each file.
    """
    _libc.sync_file_range(fd, ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE)


def replace_durably(source: Path, target: Path) -> None:
    """Rename `source` over `target` in one step and make both folders durable; both on one file system."""
    os.replace(source, target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def publish_soon(staged: Path, target: str, target_folder: int) -> None:
    """Rename a staged file over a name in a folder given by descriptor; the caller makes its name durable.

    By an fsync of the folder, once for a whole batch. That the staged name is gone is not made durable: should a power
    cut bring it back, it is a leftover like any other in staging, and is cleaned at the start. It saves about a sixth
    of the time of a small publish.
    """
    os.replace(staged, target, dst_dir_fd=target_folder)


def move_durably(source: str, source_folder: int, target: str, target_folder: int) -> None:
    """Rename between two folders given by descriptor, in one step, and make both names durable."""
    os.replace(source, target, src_dir_fd=source_folder, dst_dir_fd=target_folder)
    os.fsync(target_folder)
    if not os.path.samestat(os.fstat(source_folder), os.fstat(target_folder)):
        os.fsync(source_folder)


def take_durably(source: str, source_folder: int, target: Path) -> None:
    """Rename a name in a folder given by descriptor to `target`, in one step, and make both names durable."""
    os.replace(source, target, src_dir_fd=source_folder)
    sync_folder(target.parent)
    os.fsync(source_folder)


def publish_into(staged: str, staging: int, target: str, target_folder: int) -> None:
    """As `publish_soon`, between two folders given by descriptor, and the name made durable."""
    os.replace(staged, target, src_dir_fd=staging, dst_dir_fd=target_folder)
    os.fsync(target_folder)


def make_folders_durably(folder: Path, mode: int = 0o755) -> None:
    """Make `folder` and what is missing above it, each name durable; an existing folder is left as it is."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for step in reversed(missing):
        with contextlib.suppress(FileExistsError):
            step.mkdir(mode=mode)
        sync_folder(step.parent)


def write_durably(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write `data` as the whole file `path`: readers see the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        replace_durably(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
