"""Opens folders of the tree by descriptor: name by name from the root, and never through a symbolic link (O_NOFOLLOW).

Who then names an entry relative to the descriptor stays in that folder, whatever a writer on the host swaps meanwhile.
Blocks on the disk. Every OSError passes through with its errno: ENOTDIR or ELOOP where a link or a file is in the way.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE: Final = 0o755


@contextlib.contextmanager
def opened(root: Path, path: str, *, make: bool = False) -> Iterator[int]:
    """The descriptor of the folder at a tree path; `make` makes what is missing of it, each name durable."""
    names = path.split("/") if path else []
    first = names.pop(0) if names and not make else ""
    flags = _FOLDER if first else _FOLDER & ~os.O_NOFOLLOW  # the root itself may be a link of the operator's
    folder = os.open(root / first, flags)
    try:
        for name in names:
            inner = _made(folder, name) if make else os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


@contextlib.contextmanager
def parent_of(root: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The descriptor of the folder above a tree path, and the name in it."""
    above, _, name = path.rpartition("/")
    with opened(root, above, make=make) as folder:
        yield folder, name


def _made(folder: int, name: str) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, _MODE, dir_fd=folder)
        os.fsync(folder)
        return os.open(name, _FOLDER, dir_fd=folder)
