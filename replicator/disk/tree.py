"""Looks at the root and changes it, so that each path shows at every moment its old content or its new, whole.

Every name is relative to the descriptor of its folder (cluster.folders), so that a link which a writer on the host
swaps in leads nowhere. All functions block, and run in the thread pool; every OSError passes through.
"""

import contextlib
import enum
import functools
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from cluster.content_id import content_id_of_file
from cluster.durable_file import (
    begin_writing,
    make_folders_durably,
    move_durably,
    publish_soon,
    sync_folder,
    take_durably,
)
from cluster.folders import LinkAboveError, OddEntryError, OpenFolders, look, open_file, opened, parent_of
from cluster.replication_settings import Modes
from cluster.tree_path import CONFLICTS, STAGING, VERSIONS, on_disk, parent
from replicator.core.head import Kind, permissions
from replicator.core.place import Row
from replicator.disk.copying import copy_file
from replicator.disk.lanes import attempt

_PERMISSIONS: Final = 0o777
_MODES: Final = Modes()


class UnstableError(Exception):
    """The file changed while it was read; look again later."""


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

    def __init__(self, root: Path, modes: Modes | Literal["keep"] = _MODES) -> None:
        self.root = root
        self._keeps_modes = modes == "keep"
        fixed = _MODES if isinstance(modes, str) else modes
        self._file_mode, self._folder_mode = int(fixed.files, 8), int(fixed.folders, 8)
        self.staging = root / STAGING
        self.conflicts = root / CONFLICTS
        self.versions = root / VERSIONS

    def prepare(self) -> None:
        """Make the reserved folders."""
        for folder in (self.staging, self.conflicts, self.versions):
            make_folders_durably(folder)

    def take_over(self, names: tuple[Path, Path]) -> int:
        """Give an uploaded file another name, that nobody else knows; its size."""
        uploaded, mine = names
        uploaded.rename(mine)
        return mine.lstat().st_size

    def file_mode(self, mode: int = 0) -> int:
        """The permissions of a file whose version has this mode; 0 is that of new files."""
        return (self._keeps_modes and permissions(mode)) or self._file_mode

    def look(self, path: str) -> Sighting | None:
        """What stands there, unread; None when nothing does. OddEntryError for what is not replicated.

        That is what is below a link, too: it is not seen, but nobody has said that it is gone.
        """
        with OpenFolders(self.root) as folders:
            return self.look_in(folders, path)

    def look_in(self, folders: OpenFolders, path: str) -> Sighting | None:
        """As `look`, one of many."""
        try:
            folder, name = folders.above(path)
            seen = _seen(name, folder)
        except LinkAboveError as error:
            raise OddEntryError(stat.S_IFLNK) from error
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not self._keeps_modes or seen is None or seen.row.kind is not Kind.FILE:
            return seen
        return msgspec.structs.replace(seen, row=msgspec.structs.replace(seen.row, mode=permissions(seen.mode)))

    def read(self, path: str) -> Sighting | None:
        """What stands there, with its content id, bytes and name durable; UnstableError when it changes meanwhile."""
        before = self.look(path)
        if before is None or before.row.kind is Kind.DIRECTORY:
            return before
        try:
            with parent_of(self.root, path) as (folder, name):
                content_id = _read_durably(open_file(name, folder))
                os.fsync(folder)
                after = _seen(name, folder)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise UnstableError(path) from error
        if after is None or not after.row.same_file(before.row):
            raise UnstableError(path)
        return msgspec.structs.replace(before, row=msgspec.structs.replace(before.row, content_id=content_id))

    def open(self, file: Path) -> int:
        """A descriptor of a regular file below the root, for reading; no link is followed, and no FIFO blocks."""
        with OpenFolders(self.root) as folders:
            return self.open_in(folders, file.relative_to(self.root).as_posix())

    def open_in(self, folders: OpenFolders, path: str) -> int:
        """As `open` of the file at a path that starts at the root, one of many."""
        folder, name = folders.above(path)
        return open_file(name, folder)

    def make_name_durable(self, path: str) -> None:
        """Whoever made or removed this entry may not have done so; without a folder above it there is nothing to do."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._sync(parent(path))

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
        with OpenFolders(self.root) as folders:
            put = [attempt(functools.partial(self.put, folders), piece) for piece in pieces]
        with OpenFolders(self.root) as folders:  # anew: what was put into a folder that is gone since is not there
            synced: dict[str, Exception | None] = {}
            return [
                row if isinstance(row, Exception) else self._named(folders, piece.path, row, synced)
                for piece, row in zip(pieces, put, strict=True)
            ]

    def put(self, folders: OpenFolders, piece: Installation) -> Row:
        """Rename a staged file into place; the name is durable after an fsync of its folder."""
        inode = self._sealed(piece)
        is_open = piece.known is ANYTHING or (isinstance(piece.known, Row) and piece.known.kind is Kind.DIRECTORY)
        folder, name = _above(folders, piece.path, piece.known)
        if is_open and _is(stat.S_ISDIR, name, folder):
            os.rmdir(name, dir_fd=folder)
        publish_soon(piece.staged, name, folder)
        return msgspec.structs.replace(piece.wanted, inode=inode)

    def _sealed(self, piece: Installation) -> int:
        """The inode of a staged file, that has its mode and its time, durable with its bytes."""
        mode, mtime_ns = self.file_mode(piece.mode), piece.wanted.mtime_ns
        status = look(piece.staged, None)
        if piece.is_synced and (status.st_mode, status.st_mtime_ns) == (stat.S_IFREG | mode, mtime_ns):
            return status.st_ino
        fd = os.open(piece.staged, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(fd, mode)
            os.utime(fd, ns=(mtime_ns, mtime_ns))
            os.fsync(fd)
            return os.fstat(fd).st_ino
        finally:
            os.close(fd)

    def _named(self, folders: OpenFolders, path: str, put: Row, synced: dict[str, Exception | None]) -> Row | Exception:
        """The row of what was put there, its name durable; `synced` are the folders of which that is known."""
        folder_path = parent(path)
        if folder_path not in synced:
            synced[folder_path] = attempt(lambda _: os.fsync(folders.above(path)[0]), path)
        return synced[folder_path] or self._row_in(folders, path, put)

    def make_folder(self, path: str, known: Row | Anything | None = ANYTHING) -> Row:
        """Make a directory where nothing stands or the `known` file did; its row. UnstableError for another file."""
        with parent_of(self.root, path) as (folder, name):
            if _is(stat.S_ISREG, name, folder):
                _expect(path, name, folder, known)
                os.unlink(name, dir_fd=folder)
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, self._folder_mode, dir_fd=folder)
                self._set_folder_mode(name, folder)
            if not _is(stat.S_ISDIR, name, folder):
                raise OddEntryError
            os.fsync(folder)
        return Row(kind=Kind.DIRECTORY)

    def touch(self, path: str, known: Row, mtime_ns: int, mode: int = 0) -> Row:
        """Give the file that is known by this row another time, and mode where modes are kept; the row it then has."""
        fd = self.open(on_disk(self.root, path))
        try:
            if self._keeps_modes and mode:
                os.fchmod(fd, permissions(mode))
            os.utime(fd, ns=(mtime_ns, mtime_ns))
            os.fsync(fd)
        finally:
            os.close(fd)
        return self._row(path, msgspec.structs.replace(known, mtime_ns=mtime_ns))

    def remove(self, path: str, kind: Kind, known: Row | Anything | None = ANYTHING) -> None:
        """Remove a file or an empty directory; UnstableError, and nothing done, when it is not what is `known`."""
        with contextlib.suppress(FileNotFoundError), self._at(path, known) as (folder, name):
            with contextlib.suppress(FileNotFoundError):
                if kind is Kind.DIRECTORY:
                    os.rmdir(name, dir_fd=folder)
                else:
                    os.unlink(name, dir_fd=folder)
            os.fsync(folder)

    def take_out(self, path: str, staged: Path, known: Row, kept: Path | None = None) -> bool:
        """Move the `known` file out of the tree; UnstableError, and nothing done, when something else stands there.

        Whether it was moved: a file that has a second name (in the conflict store) only loses this one. `kept` is
        another second name that it gets, unless there is one.
        """
        with self._at(path, known) as (folder, name):
            is_moved = look(name, folder).st_nlink == 1
            if is_moved:
                take_durably(name, folder, staged)
            if kept is not None:
                source, source_folder = (staged, None) if is_moved else (name, folder)
                with contextlib.suppress(FileExistsError):
                    os.link(source, kept, src_dir_fd=source_folder, follow_symlinks=False)
                sync_folder(kept.parent)
            if not is_moved:
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
        return is_moved

    def set_aside(self, path: str, target: Path, known: Row) -> None:
        """Move the `known` file out of the tree, whatever other names it has; UnstableError as in `take_out`."""
        with self._at(path, known) as (folder, name):
            take_durably(name, folder, target)

    def rename(self, source: str, target: str) -> None:
        """Rename a file or a directory with all below it."""
        with self._at(source) as (source_folder, source_name), self._at(target) as (target_folder, target_name):
            move_durably(source_name, source_folder, target_name, target_folder)

    def renamed(self, path: str, known: Row) -> Row:
        """The row of a file that was renamed to `path`, or lies in a directory that was, and was known by this row."""
        return known if known.kind is Kind.DIRECTORY else self._row(path, known)

    def keep(self, path: str, second: Path, known: Row) -> Row:
        """Give the `known` content of `path` a second name, in the conflict store or among the versions; its new row.

        One that is there already stays: it is the same content.
        """
        with self._at(path, known) as (folder, name), contextlib.suppress(FileExistsError):
            os.link(name, second, src_dir_fd=folder, follow_symlinks=False)
        sync_folder(second.parent)
        return self._row(path, known)

    def copy(self, source: Path, staged: Path) -> str:
        """Copy a file into staging, durably; the content id of the copy."""
        fd = self.open(source)
        try:
            copy_file(fd, staged)
        finally:
            os.close(fd)
        sync_folder(staged.parent)
        return _read_durably(os.open(staged, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))

    @contextlib.contextmanager
    def _at(self, path: str, known: Row | Anything | None = ANYTHING) -> Iterator[tuple[int, str]]:
        """The folder above a path and the name in it, where what is `known` stands there, else UnstableError.

        Looked at in the last moment, since another program may have written there after the index was asked.
        """
        with OpenFolders(self.root) as folders:
            yield _above(folders, path, known)

    def _set_folder_mode(self, name: str, folder: int) -> None:
        """Where the umask has taken some of it."""
        if stat.S_IMODE(look(name, folder).st_mode) != self._folder_mode:
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                os.fchmod(fd, self._folder_mode)
            finally:
                os.close(fd)

    def _sync(self, folder_path: str) -> None:
        with opened(self.root, folder_path) as folder:
            os.fsync(folder)

    def _row(self, path: str, put: Row) -> Row:
        """The row of what we put there. Where another program was quicker, ours: it differs, and a look finds out."""
        with OpenFolders(self.root) as folders:
            return self._row_in(folders, path, put)

    def _row_in(self, folders: OpenFolders, path: str, put: Row) -> Row:
        seen = self.look_in(folders, path)
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
        raise OddEntryError(status.st_mode)
    row = Row(
        kind=Kind.FILE,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=status.st_ino,
        ctime_ns=status.st_ctime_ns,
    )
    return Sighting(row, status.st_mode & _PERMISSIONS)


def _seen(name: str, folder: int) -> Sighting | None:
    try:
        return sighting(look(name, folder))
    except FileNotFoundError:
        return None


def _above(folders: OpenFolders, path: str, known: Row | Anything | None) -> tuple[int, str]:
    """The folder above a path and the name in it, where what is `known` stands there, else UnstableError."""
    try:
        folder, name = folders.above(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        if isinstance(error, LinkAboveError) or not isinstance(known, Row):
            raise
        raise UnstableError(path) from error
    _expect(path, name, folder, known)
    return folder, name


def _expect(path: str, name: str, folder: int, known: Row | Anything | None) -> None:
    if not isinstance(known, Anything) and not is_as_recorded(_seen(name, folder), known):
        raise UnstableError(path)


def _is(kind: Callable[[int], bool], name: str, folder: int) -> bool:
    try:
        return kind(look(name, folder).st_mode)
    except FileNotFoundError:
        return False


def _read_durably(fd: int) -> str:
    """The content id of an open file, its bytes durable; it is closed."""
    with os.fdopen(fd, "rb") as stream:
        begin_writing(fd)  # the disk writes what nobody has synced yet while it is hashed
        content_id = content_id_of_file(stream)
        os.fsync(fd)
    return content_id
