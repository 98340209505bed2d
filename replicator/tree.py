"""Looks at the root and changes it, so that each path shows at every moment its old content or its new, whole.

All functions block, and run in the thread pool; every OSError passes through.
"""

import contextlib
import errno
import os
import shutil
import stat
from pathlib import Path
from typing import Final

import msgspec

from cluster.content_id import content_id_of_file
from cluster.durable_file import make_folders_durably, publish_durably, replace_durably, sync_file, sync_folder
from cluster.tree_path import CONFLICTS, STAGING, on_disk, parents
from replicator.core.head import Kind
from replicator.core.place import Row

FILE_MODE: Final = 0o644
_PERMISSIONS: Final = 0o777


class UnstableError(Exception):
    """The file changed while it was read; look again later."""


class OddEntryError(OSError):
    """Neither a file nor a directory (a symbolic link, a device): it is not replicated."""

    def __init__(self) -> None:
        super().__init__(errno.EINVAL, "neither a file nor a directory stands there on this node's disk")


class Sighting(msgspec.Struct, frozen=True):
    """What stands under a path; the row has a content id only where the file was read."""

    row: Row
    mode: int


class Tree:
    """The replicated tree on this node's disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.staging = root / STAGING
        self.conflicts = root / CONFLICTS

    def prepare(self) -> None:
        """Make the reserved folders."""
        for folder in (self.staging, self.conflicts):
            make_folders_durably(folder)

    def measure(self, file: Path) -> tuple[int, int]:
        """The size of a staged file, and the free bytes of its disk."""
        space = os.statvfs(self.staging)
        return file.stat().st_size, space.f_bavail * space.f_frsize

    def look(self, path: str) -> Sighting | None:
        """What stands there, unread; None when nothing does. OddEntryError for what is not replicated."""
        try:
            status = on_disk(self.root, path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return sighting(status)

    def read(self, path: str) -> Sighting | None:
        """What stands there, with its content id, its bytes durable; UnstableError when it changes meanwhile."""
        before = self.look(path)
        if before is None or before.row.kind is Kind.DIRECTORY:
            return before
        place = on_disk(self.root, path)
        try:
            content_id = _read_durably(place)
        except FileNotFoundError as error:
            raise UnstableError(path) from error
        after = self.look(path)
        if after is None or not after.row.same_file(before.row):
            raise UnstableError(path)
        return Sighting(msgspec.structs.replace(after.row, content_id=content_id), after.mode)

    def install(self, staged: Path, path: str, wanted: Row, mode: int) -> Row:
        """Give a staged, durable file of the wanted content its name and time; the row it then has."""
        fd = os.open(staged, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(fd, mode & _PERMISSIONS or FILE_MODE)
            os.utime(fd, ns=(wanted.mtime_ns, wanted.mtime_ns))
            os.fsync(fd)
        finally:
            os.close(fd)
        target = self._target(path)
        if target.is_dir() and not target.is_symlink():
            target.rmdir()
        publish_durably(staged, target)
        return self._row(path, wanted.content_id)

    def make_folder(self, path: str) -> Row:
        """Make a directory where nothing stands or a file did; its row."""
        target = self._target(path)
        with contextlib.suppress(FileExistsError):
            if target.is_file() and not target.is_symlink():
                target.unlink()
            target.mkdir()
        sync_folder(target.parent)
        return self._row(path, "")

    def touch(self, path: str, mtime_ns: int, content_id: str) -> Row:
        """Give a file another time."""
        target = self._target(path)
        os.utime(target, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
        sync_file(target)
        return self._row(path, content_id)

    def remove(self, path: str, kind: Kind) -> None:
        """Remove a file or an empty directory."""
        target = self._target(path)
        with contextlib.suppress(FileNotFoundError):
            if kind is Kind.DIRECTORY:
                target.rmdir()
            else:
                target.unlink()
        if target.parent.is_dir():
            sync_folder(target.parent)

    def rename(self, source: str, target: str) -> None:
        """Rename a file or a directory with all below it."""
        replace_durably(self._target(source), self._target(target))

    def keep(self, path: str, name: str) -> None:
        """Give the content of `path` a second name in the conflict store."""
        with contextlib.suppress(FileExistsError):
            os.link(on_disk(self.root, path), self.conflicts / name, follow_symlinks=False)
        sync_folder(self.conflicts)

    def copy(self, source: Path, staged: Path) -> str:
        """Copy a file into staging, durably; the content id of the copy."""
        shutil.copyfile(source, staged, follow_symlinks=False)
        sync_folder(staged.parent)
        return _read_durably(staged)

    def _target(self, path: str) -> Path:
        """Where the path stands; no folder above it may be a symbolic link, or a change would leave the root."""
        for folder in parents(path):
            if on_disk(self.root, folder).is_symlink():
                raise OSError(errno.ELOOP, "a folder above is a symbolic link", path)
        return on_disk(self.root, path)

    def _row(self, path: str, content_id: str) -> Row:
        seen = self.look(path)
        if seen is None:
            raise FileNotFoundError(errno.ENOENT, "vanished while it was written", path)
        return msgspec.structs.replace(seen.row, content_id=content_id)


def sighting(status: os.stat_result) -> Sighting:
    """What a stat result says; OddEntryError for what is not replicated."""
    if stat.S_ISDIR(status.st_mode):
        return Sighting(Row(kind=Kind.DIRECTORY), status.st_mode & _PERMISSIONS)
    if not stat.S_ISREG(status.st_mode):
        raise OddEntryError
    row = Row(
        kind=Kind.FILE,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=status.st_ino,
        ctime_ns=status.st_ctime_ns,
    )
    return Sighting(row, status.st_mode & _PERMISSIONS)


def _read_durably(file: Path) -> str:
    fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as stream:
        content_id = content_id_of_file(stream)
        os.fsync(fd)
    return content_id
