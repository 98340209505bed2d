"""Looks at the root and changes it, so that each path shows at every moment its old content or its new, whole.

All functions block, and run in the thread pool; every OSError passes through.
"""

import contextlib
import enum
import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from cluster.content_id import content_id_of_file
from cluster.durable_file import make_folders_durably, publish_soon, replace_durably, sync_file, sync_folder
from cluster.tree_path import CONFLICTS, STAGING, VERSIONS, on_disk, parent, parents
from replicator.core.head import Kind
from replicator.core.place import Row
from replicator.disk.copying import copy_file
from replicator.disk.lanes import attempt

FILE_MODE: Final = 0o644
_PERMISSIONS: Final = 0o777


class UnstableError(Exception):
    """The file changed while it was read; look again later."""


class OddEntryError(OSError):
    """Neither a file nor a directory (a symbolic link, a device): it is not replicated."""

    def __init__(self) -> None:
        super().__init__(errno.EINVAL, "neither a file nor a directory stands there on this node's disk")


class Anything(enum.Enum):
    """The caller replaces whatever stands there."""

    ANYTHING = enum.auto()


ANYTHING: Final = Anything.ANYTHING


class Sighting(msgspec.Struct, frozen=True):
    """What stands under a path; the row has a content id only where the file was read."""

    row: Row
    mode: int


class Installation(msgspec.Struct, frozen=True):
    """A staged file that is to be installed, over what is `known`; `mode` 0 is that of new files.

    `is_synced`: its bytes, time and mode are durable as they are.
    """

    staged: Path
    path: str
    wanted: Row
    mode: int = 0
    known: Row | Anything | None = ANYTHING
    is_synced: bool = False


class Tree:
    """The replicated tree on this node's disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.staging = root / STAGING
        self.conflicts = root / CONFLICTS
        self.versions = root / VERSIONS

    def prepare(self) -> None:
        """Make the reserved folders."""
        for folder in (self.staging, self.conflicts, self.versions):
            make_folders_durably(folder)

    def take_over(self, names: tuple[Path, Path]) -> tuple[int, int]:
        """Give an uploaded file another name, that nobody else knows; its size, and the free bytes of its disk."""
        uploaded, mine = names
        uploaded.rename(mine)
        space = os.statvfs(self.staging)
        return mine.stat().st_size, space.f_bavail * space.f_frsize

    def look(self, path: str) -> Sighting | None:
        """What stands there, unread; None when nothing does. OddEntryError for what is not replicated."""
        try:
            status = on_disk(self.root, path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return sighting(status)

    def read(self, path: str) -> Sighting | None:
        """What stands there, with its content id, bytes and name durable; UnstableError when it changes meanwhile."""
        before = self.look(path)
        if before is None or before.row.kind is Kind.DIRECTORY:
            return before
        place = on_disk(self.root, path)
        try:
            content_id = _read_durably(place)
        except FileNotFoundError as error:
            raise UnstableError(path) from error
        self.make_name_durable(path)
        after = self.look(path)
        if after is None or not after.row.same_file(before.row):
            raise UnstableError(path)
        return Sighting(msgspec.structs.replace(after.row, content_id=content_id), after.mode)

    def make_name_durable(self, path: str) -> None:
        """Whoever made this entry may not have done so."""
        with contextlib.suppress(FileNotFoundError):
            sync_folder(self._target(path).parent)

    def install(self, staged: Path, path: str, wanted: Row, mode: int, known: Row | Anything | None = ANYTHING) -> Row:
        """Give a staged, durable file of the wanted content its name and time; the row it then has.

        UnstableError, and nothing done, when what stands there is not what is `known`.
        """
        (result,) = self.install_all([Installation(staged, path, wanted, mode, known)])
        if isinstance(result, Exception):
            raise result
        return result

    def install_all(self, pieces: Sequence[Installation]) -> Sequence[Row | Exception]:
        """Install many staged files, with one fsync for each folder; the row that each has, or what went wrong."""
        put = [attempt(self.put, piece) for piece in pieces]
        folders = {parent(piece.path) for piece, row in zip(pieces, put, strict=True) if isinstance(row, Row)}
        synced = {folder: attempt(sync_folder, on_disk(self.root, folder)) for folder in folders}
        return [
            row if isinstance(row, Exception) else synced[parent(piece.path)] or self._row(piece.path, row)
            for piece, row in zip(pieces, put, strict=True)
        ]

    def put(self, piece: Installation) -> Row:
        """Rename a staged file into place; the name is durable after an fsync of its folder."""
        mode, mtime_ns = piece.mode & _PERMISSIONS or FILE_MODE, piece.wanted.mtime_ns
        fd = os.open(piece.staged, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            if not piece.is_synced or (status.st_mode & _PERMISSIONS, status.st_mtime_ns) != (mode, mtime_ns):
                os.fchmod(fd, mode)
                os.utime(fd, ns=(mtime_ns, mtime_ns))
                os.fsync(fd)
        finally:
            os.close(fd)
        target = self._target(piece.path)
        self._expect(piece.path, piece.known)
        is_open = piece.known is ANYTHING or (isinstance(piece.known, Row) and piece.known.kind is Kind.DIRECTORY)
        if is_open and target.is_dir() and not target.is_symlink():
            target.rmdir()
        publish_soon(piece.staged, target)
        return msgspec.structs.replace(piece.wanted, inode=status.st_ino)

    def make_folder(self, path: str, known: Row | Anything | None = ANYTHING) -> Row:
        """Make a directory where nothing stands or the `known` file did; its row. UnstableError for another file."""
        target = self._target(path)
        if target.is_file():
            self._expect(path, known)
        with contextlib.suppress(FileExistsError):
            if target.is_file() and not target.is_symlink():
                target.unlink()
            target.mkdir()
        sync_folder(target.parent)
        return Row(kind=Kind.DIRECTORY)

    def touch(self, path: str, known: Row, mtime_ns: int) -> Row:
        """Give the file that is known by this row another time; the row it then has."""
        target = self._target(path)
        os.utime(target, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
        sync_file(target)
        return self._row(path, msgspec.structs.replace(known, mtime_ns=mtime_ns))

    def remove(self, path: str, kind: Kind, known: Row | Anything | None = ANYTHING) -> None:
        """Remove a file or an empty directory; UnstableError, and nothing done, when it is not what is `known`."""
        target = self._target(path)
        self._expect(path, known)
        with contextlib.suppress(FileNotFoundError):
            if kind is Kind.DIRECTORY:
                target.rmdir()
            else:
                target.unlink()
        if target.parent.is_dir():
            sync_folder(target.parent)

    def take_out(self, path: str, staged: Path, known: Row, kept: Path | None = None) -> bool:
        """Move the `known` file out of the tree; UnstableError, and nothing done, when something else stands there.

        Whether it was moved: a file that has a second name (in the conflict store) only loses this one. `kept` is
        another second name that it gets, unless there is one.
        """
        target = self._target(path)
        self._expect(path, known)
        is_moved = target.lstat().st_nlink == 1
        if is_moved:
            replace_durably(target, staged)
        if kept is not None:
            with contextlib.suppress(FileExistsError):
                os.link(staged if is_moved else target, kept, follow_symlinks=False)
            sync_folder(kept.parent)
        if not is_moved:
            target.unlink()
        sync_folder(target.parent)
        return is_moved

    def rename(self, source: str, target: str) -> None:
        """Rename a file or a directory with all below it."""
        replace_durably(self._target(source), self._target(target))

    def renamed(self, path: str, known: Row) -> Row:
        """The row of a file that was renamed to `path`, or lies in a directory that was, and was known by this row."""
        return known if known.kind is Kind.DIRECTORY else self._row(path, known)

    def keep(self, path: str, name: str, known: Row) -> Row:
        """Give the `known` content of `path` a second name in the conflict store; its row after that."""
        return self._second_name(path, self.conflicts / name, known)

    def keep_version(self, path: str, name: Path, known: Row) -> Row:
        """As `keep`, among the versions."""
        return self._second_name(path, name, known)

    def _second_name(self, path: str, name: Path, known: Row) -> Row:
        self._expect(path, known)
        with contextlib.suppress(FileExistsError):
            os.link(on_disk(self.root, path), name, follow_symlinks=False)
        sync_folder(name.parent)
        return self._row(path, known)

    def copy(self, source: Path, staged: Path) -> str:
        """Copy a file into staging, durably; the content id of the copy."""
        copy_file(source, staged)
        sync_folder(staged.parent)
        return _read_durably(staged)

    def _expect(self, path: str, known: Row | Anything | None) -> None:
        """At the last moment, since another program may have written there after the index was asked."""
        if not isinstance(known, Anything) and not is_as_recorded(self.look(path), known):
            raise UnstableError(path)

    def _target(self, path: str) -> Path:
        """Where the path stands; no folder above it may be a symbolic link, or a change would leave the root."""
        for folder in parents(path):
            if on_disk(self.root, folder).is_symlink():
                raise OSError(errno.ELOOP, "a folder above is a symbolic link", path)
        return on_disk(self.root, path)

    def _row(self, path: str, put: Row) -> Row:
        """The row of what we put there. Where another program was quicker, ours: it differs, and a look finds out."""
        seen = self.look(path)
        mine = (put.kind, put.inode, put.size_bytes, put.mtime_ns)
        if seen is None or (seen.row.kind, seen.row.inode, seen.row.size_bytes, seen.row.mtime_ns) != mine:
            return msgspec.structs.replace(put, ctime_ns=0)
        return msgspec.structs.replace(seen.row, content_id=put.content_id)


def is_as_recorded(seen: Sighting | None, row: Row | None) -> bool:
    """Whether the disk still is as the row says."""
    return row is None if seen is None else seen.row.same_file(row)


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
