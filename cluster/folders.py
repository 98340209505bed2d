"""Opens folders and files of the tree by descriptor: name by name from the root, never through a symbolic link.

Who then names an entry relative to the descriptor stays in that folder, whatever a writer on the host swaps meanwhile.
Blocks on the disk. Every OSError passes through: a LinkAboveError where a link is in the way.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

FOLDER_MODE: Final = 0o755
_ROOT: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC  # it may be a link of the operator's
_FOLDER: Final = _ROOT | os.O_NOFOLLOW
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # O_NONBLOCK: a FIFO must not block the open

_MOST_OPEN: Final = 16  # of many threads, each with its pass
_ODD: Final = ((stat.S_ISLNK, "a symbolic link"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))


class OddEntryError(OSError):
    """Neither a file nor a directory, but `what`: nothing of the tree."""

    def __init__(self, mode: int = 0) -> None:
        super().__init__(errno.EINVAL, "neither a file nor a directory stands there on this node's disk")
        self.what = next((what for is_one, what in _ODD if is_one(mode)), "a device")


class LinkAboveError(NotADirectoryError):
    """A folder above is a symbolic link."""

    def __init__(self, name: str | Path) -> None:
        super().__init__(errno.ELOOP, "a folder above is a symbolic link", os.fspath(name))


class OpenFolders:
    """Folders of one root that a pass over many names needs, each opened once. For one thread, as a context.

    What it gave is open until it is asked again, or closed. Who must know that a folder still stands at its path asks
    another one.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def above(self, path: str) -> tuple[int, str]:
        """The descriptor of the folder above a tree path, and the name in it."""
        folder_path, _, name = path.rpartition("/")
        folder = self._open.get(folder_path)
        if folder is None:
            if len(self._open) == _MOST_OPEN:
                os.close(self._open.pop(next(iter(self._open))))
            folder = self._open[folder_path] = _opened(self._root, folder_path)
        return folder, name


@contextlib.contextmanager
def opened(root: Path, path: str, *, make: bool = False) -> Iterator[int]:
    """The descriptor of the folder at a tree path; `make` makes what is missing of it, each name durable."""
    folder = _opened(root, path, make=make)
    try:
        yield folder
    finally:
        os.close(folder)


@contextlib.contextmanager
def parent_of(root: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The descriptor of the folder above a tree path, and the name in it."""
    above, _, name = path.rpartition("/")
    with opened(root, above, make=make) as folder:
        yield folder, name


def open_file(name: str, folder: int) -> int:
    """The descriptor of a regular file in a folder, for reading; IsADirectoryError or OddEntryError otherwise."""
    fd = os.open(name, _FILE, dir_fd=folder)
    try:
        mode = os.fstat(fd).st_mode
    except BaseException:
        os.close(fd)
        raise
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "a directory")
    raise OddEntryError(mode)


def look(name: str | Path, folder: int | None) -> os.stat_result:
    """What stands under a name in a folder; a link is not followed."""
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def _opened(root: Path, path: str, *, make: bool = False) -> int:
    names = path.split("/") if path else []
    first = names.pop(0) if names and not make else ""
    folder = _inner(root / first) if first else os.open(root, _ROOT)
    try:
        for name in names:
            inner = _made(name, folder) if make else _inner(name, folder)
            os.close(folder)
            folder = inner
    except BaseException:
        os.close(folder)
        raise
    return folder


def _inner(name: str | Path, folder: int | None = None) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except NotADirectoryError as error:  # so says Linux of a link too
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISLNK(look(name, folder).st_mode):
                raise LinkAboveError(name) from error
        raise


def _made(name: str, folder: int) -> int:
    try:
        return _inner(name, folder)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, FOLDER_MODE, dir_fd=folder)
        os.fsync(folder)
        return _inner(name, folder)
