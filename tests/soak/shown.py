"""What one node shows in the end: its tree, what it keeps beside it, and what it lists."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cluster.content_id import content_id_of
from cluster.kept import ConflictList, ListedConflict
from cluster.tree_path import CONFLICTS, RESERVED, STAGING, VERSIONS

FOLDER = "folder"


class Entry(msgspec.Struct, frozen=True):
    """What stands under a path: a content id, or FOLDER; and the time of a file."""

    content: str
    mtime_ns: int = 0


class Shown(msgspec.Struct, frozen=True):
    """`kept` maps the files of the conflict store to their contents; `listed` is what the node says of conflicts."""

    tree: dict[str, Entry]
    kept: dict[str, str] = {}
    versions: frozenset[str] = frozenset()
    staged: tuple[str, ...] = ()
    listed: tuple[ListedConflict, ...] = ()


def read_shown(root: Path, listed: ConflictList) -> Shown:
    """Read every byte; nobody changes anything meanwhile."""
    kept = {file.name: content_id_of(file.read_bytes()) for file in (root / CONFLICTS).iterdir()}
    versions = frozenset(content_id_of(file.read_bytes()) for file in (root / VERSIONS).iterdir())
    staged = tuple(file.name for file in (root / STAGING).iterdir())
    return Shown(read_entries(root), kept, versions, staged, listed.conflicts)


def all_contents(root: Path) -> Iterator[str]:
    """Every content that a node has, wherever it keeps it."""
    for place in root.rglob("*"):
        with contextlib.suppress(OSError):
            yield content_id_of(place.read_bytes())


def read_entries(root: Path) -> dict[str, Entry]:
    """The tree as its clients see it; what vanishes while it is read is left out."""
    found = {}
    for place in root.rglob("*"):
        path = place.relative_to(root).as_posix()
        if path.partition("/")[0] == RESERVED:
            continue
        try:
            found[path] = (
                Entry(FOLDER) if place.is_dir() else Entry(content_id_of(place.read_bytes()), place.stat().st_mtime_ns)
            )
        except OSError:
            continue
    return found
