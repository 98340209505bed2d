"""Decides whether the root is the disk that the index describes: a marker file in it names cluster, node, incarnation.

An unmounted disk is an empty folder; without this check its emptiness would be taken for the truth.
"""

from pathlib import Path
from typing import Final

import msgspec

from cluster.durable_file import make_folders_durably, write_durably
from cluster.tree_path import RESERVED

_NAME: Final = f"{RESERVED}/marker"
ROLLED_BACK: Final = (
    "the index is older than what the peers have seen of it: stop, remove it, and join as a new node; "
    "what is in the root is kept"
)
STALE: Final = (
    "this node was away for so long that its peers have forgotten deletions that it has not heard of: stop, remove its "
    "index, and join as a new node; what is in the root is kept"
)


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Whose root this is."""

    cluster: str
    node: str
    incarnation: str


class WrongRootError(Exception):
    """The root is not the one that the index describes; the text says what to do."""


class Marker:
    """The marker of one root."""

    def __init__(self, root: Path, mine: Mark) -> None:
        self._file = root / _NAME
        self._mine = mine
        self._identity: tuple[int, int] | None = None
        self._disowned = ""

    def claim(self, *, known: bool) -> None:
        """Check the marker at the start, or write it when the index is new to this root (`known` is false).

        WrongRootError when a known root has no marker of ours, or any root that of another node. OSError passes.
        """
        found = self._read()
        if found is not None and (found.cluster, found.node) != (self._mine.cluster, self._mine.node):
            message = f"{self._file} belongs to node {found.node} of cluster {found.cluster}; mend `root`"
            raise WrongRootError(message)
        if known and found != self._mine:
            what = "is missing" if found is None else "belongs to another index"
            message = (
                f"{self._file} {what}: is the disk mounted? Mount it and start again; or, to join as a new node, "
                "stop the replicator and remove its index"
            )
            raise WrongRootError(message)
        if found != self._mine:
            make_folders_durably(self._file.parent)
            write_durably(self._file, msgspec.json.encode(self._mine) + b"\n")
        self._identity = self._stat()

    def check(self) -> None:
        """WrongRootError when the marker is no longer the file that was claimed."""
        if self._disowned:
            raise WrongRootError(self._disowned)
        if self._identity is None or self._stat() != self._identity:
            message = f"{self._file} is missing or was replaced: is the disk mounted? All changes stop until it is back"
            raise WrongRootError(message)

    def disown(self, why: str) -> None:
        """The index is not that of this root any more: from now on every check fails, with this text."""
        self._disowned = why

    def _stat(self) -> tuple[int, int] | None:
        try:
            status = self._file.lstat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _read(self) -> Mark | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Mark)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            message = f"{self._file} cannot be read: {error}; mend or remove it"
            raise WrongRootError(message) from error
