"""Paths in the replicated tree: relative to the root folder, `/` between names, canonical, never out of the root.

`Station/ABCD/file.rnx` is a tree path; the root itself is the empty string. Everything that comes from a client, a
peer or a settings file passes `complaint()` before it reaches a disk.
"""

import functools
import re
from pathlib import Path
from typing import Final

RESERVED: Final = ".tripod"
"""The folder in the root that belongs to Tripod itself: staging, conflict store, marker. Nobody else may name it."""

STAGING: Final = f"{RESERVED}/staging"
CONFLICTS: Final = f"{RESERVED}/conflicts"
CANARIES: Final = f"{RESERVED}/canaries"
VERSIONS: Final = f"{RESERVED}/versions"
QUARANTINE: Final = f"{RESERVED}/quarantine"

MAX_NAME_BYTES: Final = 255
MAX_PATH_BYTES: Final = 4000

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def complaint(path: str) -> str | None:
    """Why `path` is not a canonical tree path of a user's entry, or None when it is one.

    Refused: the empty path, a leading or trailing slash, empty, `.` or `..` components, control characters, lone
    surrogates (bytes that are not UTF-8), names over 255 bytes, and the reserved folder.
    """
    try:
        size_bytes = len(path.encode())
    except UnicodeEncodeError:
        return "the name is not valid UTF-8"
    if not 0 < size_bytes <= MAX_PATH_BYTES:
        return f"the path is empty or longer than {MAX_PATH_BYTES} bytes"
    if _CONTROL.search(path):
        return "the name has a control character"
    names = path.split("/")
    if any(name in {"", ".", ".."} for name in names):
        return "the path is not canonical"
    if size_bytes > MAX_NAME_BYTES and any(len(name.encode()) > MAX_NAME_BYTES for name in names):
        return f"a name is longer than {MAX_NAME_BYTES} bytes"
    if names[0] == RESERVED:
        return f"{RESERVED} belongs to Tripod"
    return None


def is_tree_path(path: str) -> bool:
    """Whether `path` may be the path of a user's entry."""
    return complaint(path) is None


def parent(path: str) -> str:
    """The tree path of the folder that holds `path`; the root is the empty string."""
    return path.rpartition("/")[0]


def parents(path: str) -> tuple[str, ...]:
    """Every folder above `path`, outermost first, without the root."""
    return _and_above(parent(path))


@functools.lru_cache(maxsize=4096)
def _and_above(folder: str) -> tuple[str, ...]:
    names = folder.split("/") if folder else []
    return tuple("/".join(names[: count + 1]) for count in range(len(names)))


def is_below(path: str, folder: str) -> bool:
    """Whether `path` lies in `folder` at any depth; everything lies below the root."""
    return folder == "" or path.startswith(folder + "/")


def on_disk(root: Path, path: str) -> Path:
    """Where a tree path stands on this node's disk."""
    return root / path if path else root
