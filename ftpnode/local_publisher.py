"""Publishes on this node alone, where the settings say that there is no replicator (`replication: none`).

Always staged on the same file system, then rename, then fsync of the folder; nothing is unlinked first. Every name is
relative to the descriptor of its folder, so that a link which a writer on the host swaps in leads nowhere.
"""

import contextlib
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
from cluster.durable_file import move_durably, publish_into
from cluster.folders import look, opened, parent_of
from cluster.publish import (
    Answer,
    Arriving,
    Ask,
    CheckName,
    Cut,
    Describe,
    Described,
    DescribedFiles,
    DescribeFiles,
    Done,
    Fetch,
    FindCanary,
    FindPartial,
    MakeDirectory,
    Measure,
    Measured,
    OutOfOrder,
    Publish,
    PutCanary,
    Reason,
    Refused,
    Remove,
    Rename,
    Request,
    SetMtime,
)
from cluster.quota import NOTHING, Usage
from cluster.tree_path import STAGING, parents
from ftpnode.ports import Publisher, PublisherUnreachableError
from ftpnode.tree import Tree
from ftpnode.tree_usage import TreeUsage

_REASONS: Final = {
    errno.ENOENT: Reason.NOT_FOUND,
    errno.ENOTDIR: Reason.NOT_FOUND,
    errno.ELOOP: Reason.NOT_FOUND,
    errno.EEXIST: Reason.EXISTS,
    errno.EISDIR: Reason.EXISTS,
    errno.ENOTEMPTY: Reason.NOT_EMPTY,
    errno.ENOSPC: Reason.DISK_FULL,
    errno.EDQUOT: Reason.DISK_FULL,
    errno.EINVAL: Reason.BAD_PATH,
}

_LOOK: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


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
                with parent_of(self._root, path) as (folder, name):
                    with self._claimed(request, Usage(0, 1)):
                        os.mkdir(name, dir_fd=folder)
                    os.fsync(folder)
            case Remove():
                self._remove(request)
            case Rename():
                self._rename(request)
            case SetMtime():
                self._set_mtime(request)
            case Fetch(path=path):
                with parent_of(self._root, path) as (folder, name):
                    look(name, folder)
            case Arriving() | OutOfOrder() | CheckName():
                pass  # there is nobody to bring it to, nor to mind its name
            case Describe() | DescribeFiles() | Measure() | Ask() | Cut() | FindPartial() | PutCanary() | FindCanary():
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
        try:
            with Tree(self._root).open_file(request.path) as file:
                return Described(id=request.id, content_id=content_id_of_file(file), copies=1, nodes=1)
        except IsADirectoryError as error:
            raise FileNotFoundError(errno.ENOENT, "not a file") from error

    def _publish(self, request: Publish) -> None:
        mtime_ns = request.mtime_ns
        with opened(self._root, STAGING) as staging:
            os.utime(request.staged, ns=(mtime_ns, mtime_ns), dir_fd=staging, follow_symlinks=False)
            with (
                self._claimed(request, self._added(request, staging)),
                parent_of(self._root, request.path, make=True) as (folder, name),
            ):
                publish_into(request.staged, staging, name, folder)

    def _added(self, request: Publish, staging: int) -> Usage:
        """What a publish will add to the counts; looks at the disk only where somebody counts."""
        if request.quota is None and not self._usage.is_asked_for:
            return NOTHING
        there_bytes = self._file_bytes(request.path)
        size_bytes = look(request.staged, staging).st_size
        return Usage(size_bytes - (there_bytes or 0), (there_bytes is None) + self._missing_above(request.path))

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

    def _missing_above(self, path: str) -> int:
        """How many of the folders above `path` are yet to be made."""
        above = parents(path)
        for missing, innermost in enumerate(reversed(above)):
            with contextlib.suppress(FileNotFoundError), opened(self._root, innermost):
                return missing
        return len(above)

    def _file_bytes(self, path: str) -> int | None:
        """The size of the file at `path`; None when there is none."""
        try:
            with parent_of(self._root, path) as (folder, name):
                return _size_bytes(look(name, folder))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _remove(self, request: Remove) -> None:
        with parent_of(self._root, request.path) as (folder, name):
            found = look(name, folder)
            is_directory = stat.S_ISDIR(found.st_mode)
            if is_directory != (request.kind == "directory"):
                raise FileNotFoundError(errno.ENOENT, f"not a {request.kind}")
            if is_directory:
                os.rmdir(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
            self._usage.changed(request.path, Usage(-(_size_bytes(found) or 0), -1))
            os.fsync(folder)

    def _rename(self, request: Rename) -> None:
        with (
            parent_of(self._root, request.source) as (source_folder, source),
            parent_of(self._root, request.target) as (target_folder, target),
        ):
            moves_directory = stat.S_ISDIR(look(source, source_folder).st_mode)
            there_bytes = None
            with contextlib.suppress(FileNotFoundError):
                there_bytes = _size_bytes(look(target, target_folder))
                if moves_directory or there_bytes is None or not request.replace:
                    raise FileExistsError(errno.EEXIST, "the target exists")
            move_durably(source, source_folder, target, target_folder)
        self._usage.moved(request.source, request.target, NOTHING if there_bytes is None else Usage(there_bytes, 1))

    def _set_mtime(self, request: SetMtime) -> None:
        with parent_of(self._root, request.path) as (folder, name):
            fd = os.open(name, _LOOK, dir_fd=folder)
        try:
            os.utime(fd, ns=(request.mtime_ns, request.mtime_ns))
            os.fsync(fd)
        finally:
            os.close(fd)


def _size_bytes(found: os.stat_result) -> int | None:
    """The size of a file, None of anything else."""
    return found.st_size if stat.S_ISREG(found.st_mode) else None
