"""Asks the kernel which directories it watches for us, and how many it may watch.

All functions block; every OSError passes through.
"""

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

_LIMITS: Final = Path("/proc/sys/fs/inotify")
_QUEUED_EVENTS: Final = 16_384
_HEADROOM: Final = 2
_INODE: Final = re.compile(r"^inotify .*?\bino:([0-9a-f]+)", re.MULTILINE)


class Limits(msgspec.Struct, frozen=True):
    """The kernel's limits: watches of one user, and events that wait in one queue."""

    watches: int
    queued_events: int


def limits(folder: Path = _LIMITS) -> Limits:
    """The limits that rule here. ValueError when they do not read as numbers."""
    watches, queued = (int((folder / name).read_text()) for name in ("max_user_watches", "max_queued_events"))
    return Limits(watches, queued)


def advice(folders: int, given: Limits) -> tuple[str, ...]:
    """What an operator should set for this many folders: a sentence for each limit that is too low."""
    sentences = []
    if folders * _HEADROOM > given.watches:
        sentences.append(
            f"the kernel allows {given.watches} watches and the root has {folders} folders: "
            f"set sysctl fs.inotify.max_user_watches={_rounded(folders * _HEADROOM * 2)}"
        )
    if given.queued_events < _QUEUED_EVENTS:
        sentences.append(
            f"the kernel keeps only {given.queued_events} events, so a burst is lost: "
            f"set sysctl fs.inotify.max_queued_events={_QUEUED_EVENTS * 8}"
        )
    return tuple(sentences)


def watched_inodes(descriptor: int) -> frozenset[int]:
    """The inodes that this inotify descriptor of ours watches."""
    text = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    return parse_fdinfo(text)


def parse_fdinfo(text: str) -> frozenset[int]:
    """The inodes in the kernel's text on an inotify descriptor; lines of another kind are passed over."""
    return frozenset(int(inode, 16) for inode in _INODE.findall(text))


def unwatched(root: Path, folders: Iterable[str], watched: frozenset[int]) -> frozenset[str]:
    """Those of the folders that stand below `root` and are not watched."""
    above = f"{os.fspath(root)}/"  # strings, for paths would take most of the time
    inodes = {folder: inode_of(above + folder) for folder in folders}
    return frozenset(folder for folder, inode in inodes.items() if inode is not None and inode not in watched)


def inode_of(folder: str | Path) -> int | None:
    """The inode of a directory; None when none stands there."""
    try:
        status = os.lstat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_ino if stat.S_ISDIR(status.st_mode) else None


def _rounded(number: int) -> int:
    """The next power of two."""
    return 1 << (number - 1).bit_length()
