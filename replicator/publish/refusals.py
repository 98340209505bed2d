"""Decides which requests are refused at once, from index and disk: each check raises RefusedError or passes."""

import errno
import sqlite3
from typing import Final

from cluster.folders import OddEntryError
from cluster.publish import Arriving, Change, MakeDirectory, Publish, Reason, Remove, Rename, Request, SetMtime
from cluster.tree_path import complaint, is_below, parent, parents
from replicator.core.belief import MAX_MTIME_NS
from replicator.core.head import Head, Kind, winner
from replicator.disk.staging import Staging
from replicator.index.index import Index

_FULL: Final = {errno.ENOSPC, errno.EDQUOT}


class RefusedError(Exception):
    """The request cannot be carried out, and nothing was changed."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def check_path(path: str) -> None:
    """The path may be a user's."""
    wrong = complaint(path)
    if wrong:
        raise RefusedError(Reason.BAD_PATH, f"{path}: {wrong}")


def check_staged(request: Publish, size_bytes: int) -> None:
    """The staged file is as was said."""
    if size_bytes != request.size_bytes:
        raise RefusedError(Reason.CHANGED, "the staged file has another size than was said")


def check_room(staging: Staging, reserve_bytes: int) -> None:
    """The disk has the reserve left."""
    if not staging.make_room(reserve_bytes):
        raise RefusedError(Reason.DISK_FULL, "the disk of this node is full")


def refuse_at_mirror(index: Index, request: Request) -> None:
    """Nothing is changed through a read-only member."""
    if index.read_only and isinstance(request, Change | Arriving):
        raise RefusedError(Reason.READ_ONLY, "this node is read-only; make the change at another node")


def refuse_excluded(index: Index, request: Request) -> None:
    """The request is about replicated paths alone: a copy of anything else would stand on this node only."""
    paths: list[str] = []
    match request:
        case Publish(path=path) | MakeDirectory(path=path) | Remove(path=path) | SetMtime(path=path):
            paths = [path]
        case Rename(source=source, target=target):
            below = (path for path in index.below(source) if index.is_live(path))
            paths = [source, target, *(target + path[len(source) :] for path in below)]
        case _:
            pass
    for path in paths:
        if index.excludes(path):
            raise RefusedError(Reason.BAD_PATH, f"{path} is not replicated: replication.exclude names it")


def check_mtime(mtime_ns: int) -> None:
    """The time fits every file system."""
    if abs(mtime_ns) >= MAX_MTIME_NS:
        raise RefusedError(Reason.CHANGED, "no file system knows such a time")


def require(index: Index, path: str, kind: Kind) -> Head:
    """There is an entry of that kind; its head."""
    shown = winner(index.place(path).heads)
    if complaint(path) or shown is None or shown.kind is not kind:
        raise RefusedError(Reason.NOT_FOUND, f"there is no {kind.value} {path}")
    return shown


def require_folder(index: Index, path: str) -> None:
    """There is a directory; the root always is."""
    if path:
        require(index, path, Kind.DIRECTORY)


def refuse_folder(index: Index, path: str) -> None:
    """No directory stands there."""
    shown = winner(index.place(path).heads)
    if shown is not None and shown.kind is Kind.DIRECTORY:
        raise RefusedError(Reason.EXISTS, f"{path} is a directory")


def refuse_file_above(index: Index, path: str) -> None:
    """Nothing above the path is a file."""
    for folder in parents(path):
        shown = winner(index.place(folder).heads)
        if shown is not None and shown.kind is Kind.FILE:
            raise RefusedError(Reason.BAD_PATH, f"{folder} is a file, not a directory")


def refuse_children(index: Index, path: str) -> None:
    """The directory is empty."""
    if index.live_children(path):
        raise RefusedError(Reason.NOT_EMPTY, f"{path} is not empty")


def check_rename(index: Index, request: Rename) -> Kind:
    """The source is there and the target may be its new name; the kind of the source."""
    source, target = request.source, request.target
    shown = winner(index.place(source).heads)
    if complaint(source) or shown is None or not shown.is_live:
        raise RefusedError(Reason.NOT_FOUND, f"{source} does not exist")
    if target == source or is_below(target, source):
        raise RefusedError(Reason.BAD_PATH, f"{target} lies in {source}")
    require_folder(index, parent(target))
    there = winner(index.place(target).heads)
    if there is not None and there.is_live:
        replaceable = request.replace and there.kind is Kind.FILE and shown.kind is Kind.FILE
        if not replaceable:
            raise RefusedError(Reason.EXISTS, f"{target} exists")
    return shown.kind


def reason_of(error: OSError | sqlite3.Error) -> Reason:
    """Why a change failed that the disk, or the index on it, did not take."""
    if isinstance(error, OddEntryError):
        return Reason.EXISTS
    return Reason.DISK_FULL if isinstance(error, OSError) and error.errno in _FULL else Reason.IO_ERROR


def in_a_line(error: OSError | sqlite3.Error) -> str:
    """What went wrong, for the ftpnode."""
    if isinstance(error, sqlite3.Error):
        return f"the index cannot be written: {error}"
    return error.strerror or str(error)
