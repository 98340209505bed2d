"""Publishes on this node alone, where the settings say that there is no replicator (`replication: none`).

Always staged on the same file system, then rename, then fsync of the folder; nothing is unlinked first.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from typing_extensions import override

from cluster import clock
from cluster.content_id import content_id_of_file
from cluster.durable_file import make_folders_durably, publish_durably, replace_durably, sync_file, sync_folder
from cluster.publish import (
    Answer,
    Ask,
    Describe,
    Described,
    DescribedFiles,
    DescribeFiles,
    Done,
    Fetch,
    MakeDirectory,
    Measure,
    Measured,
    Publish,
    Reason,
    Refused,
    Remove,
    Rename,
    Request,
    SetMtime,
)
from cluster.quota import NOTHING, Usage
from cluster.tree_path import STAGING, on_disk, parents
from ftpnode.ports import Publisher, PublisherUnreachableError
from ftpnode.tree_usage import TreeUsage

_REASONS: Final = {
    errno.ENOENT: Reason.NOT_FOUND,
    errno.ENOTDIR: Reason.NOT_FOUND,
    errno.EEXIST: Reason.EXISTS,
    errno.EISDIR: Reason.EXISTS,
    errno.ENOTEMPTY: Reason.NOT_EMPTY,
    errno.ENOSPC: Reason.DISK_FULL,
    errno.EDQUOT: Reason.DISK_FULL,
    errno.EINVAL: Reason.BAD_PATH,
}


class DoesNotFitError(Exception):
    """The change would exceed the quota of its account; the message says by what."""


class LocalPublisher(Publisher):
    """A Publisher for a node without a replicator: every Done is for one copy."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._usage = TreeUsage(root, clock.monotonic_s)

    @override
    def ask(self, request: Request, timeout_s: float) -> Answer:
        try:
            if isinstance(request, Describe | DescribeFiles | Measure):
                return self._told(request)
            self._do(request)
        except DoesNotFitError as error:
            return Refused(id=request.id, reason=Reason.OVER_QUOTA, text=str(error))
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, Reason.IO_ERROR)
            return Refused(id=request.id, reason=reason, text=error.strerror or str(error))
        return Done(id=request.id, copies=1, wanted=1)

    @override
    def close(self) -> None:
        pass

    def _do(self, request: Request) -> None:
        match request:
            case Publish():
                self._publish(request)
            case MakeDirectory(path=path):
                target = on_disk(self._root, path)
                with self._claimed(request, Usage(0, 1)):
                    target.mkdir()
                sync_folder(target.parent)
            case Remove(path=path, kind=kind):
                self._remove(path, kind)
            case Rename():
                self._rename(request)
            case SetMtime(path=path, mtime_ns=mtime_ns):
                target = on_disk(self._root, path)
                os.utime(target, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
                sync_file(target)
            case Fetch(path=path):
                on_disk(self._root, path).lstat()
            case Describe() | DescribeFiles() | Measure() | Ask():
                raise PublisherUnreachableError("there is no replicator to ask")

    def _told(self, request: Describe | DescribeFiles | Measure) -> Answer:
        match request:
            case Describe():
                return self._described(request)
            case DescribeFiles():
                return DescribedFiles(id=request.id, files={})  # nobody has read them, and a listing is not worth it
            case Measure(folder=folder, path=path):
                used = self._usage.below(folder)
                return Measured(id=request.id, used=used, file_bytes=self._file_bytes(path) if path else None)

    def _described(self, request: Describe) -> Described:
        target = on_disk(self._root, request.path)
        if not stat.S_ISREG(target.lstat().st_mode):
            raise FileNotFoundError(errno.ENOENT, "not a file")
        with target.open("rb") as file:
            return Described(id=request.id, content_id=content_id_of_file(file), copies=1, nodes=1)

    def _publish(self, request: Publish) -> None:
        staged = on_disk(self._root, STAGING) / request.staged
        target = on_disk(self._root, request.path)
        os.utime(staged, ns=(request.mtime_ns, request.mtime_ns), follow_symlinks=False)
        there_bytes = self._file_bytes(request.path)
        made = sum(not on_disk(self._root, folder).exists() for folder in parents(request.path))
        added = Usage(staged.stat().st_size - (there_bytes or 0), (there_bytes is None) + made)
        with self._claimed(request, added):
            make_folders_durably(target.parent)
            publish_durably(staged, target)

    @contextmanager
    def _claimed(self, request: Publish | MakeDirectory, added: Usage) -> Iterator[None]:
        """Count the change before it is made, so that two cannot take one place; or DoesNotFitError."""
        wrong = self._usage.claim(request.quota, request.path, added)
        if wrong:
            raise DoesNotFitError(wrong)
        try:
            yield
        except OSError:
            self._usage.changed(request.path, -added)
            raise

    def _file_bytes(self, path: str) -> int | None:
        """The size of the file at `path`; None when there is none."""
        try:
            found = on_disk(self._root, path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def _remove(self, path: str, kind: str) -> None:
        target, there_bytes = on_disk(self._root, path), self._file_bytes(path)
        is_directory = stat.S_ISDIR(target.lstat().st_mode)
        if is_directory != (kind == "directory"):
            raise FileNotFoundError(errno.ENOENT, f"not a {kind}")
        if is_directory:
            target.rmdir()
        else:
            target.unlink()
        self._usage.changed(path, Usage(-(there_bytes or 0), -1))
        sync_folder(target.parent)

    def _rename(self, request: Rename) -> None:
        source, target = on_disk(self._root, request.source), on_disk(self._root, request.target)
        moves_directory = stat.S_ISDIR(source.lstat().st_mode)
        replaces = target.is_symlink() or target.exists()
        if replaces and (moves_directory or target.is_dir() or not request.replace):
            raise FileExistsError(errno.EEXIST, "the target exists")
        there_bytes = self._file_bytes(request.target)
        replace_durably(source, target)
        self._usage.moved(request.source, request.target, NOTHING if there_bytes is None else Usage(there_bytes, 1))
