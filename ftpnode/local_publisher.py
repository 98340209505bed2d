"""Publishes on this node alone, where the settings say that there is no replicator (`replication: none`).

Always staged on the same file system, then rename, then fsync of the folder; nothing is unlinked first.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from typing_extensions import override

from cluster.content_id import content_id_of_file
from cluster.durable_file import make_folders_durably, publish_durably, replace_durably, sync_file, sync_folder
from cluster.publish import (
    Answer,
    Ask,
    Describe,
    Described,
    Done,
    Fetch,
    MakeDirectory,
    Publish,
    Reason,
    Refused,
    Remove,
    Rename,
    Request,
    SetMtime,
)
from cluster.tree_path import STAGING, on_disk
from ftpnode.ports import Publisher, PublisherUnreachableError

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


class LocalPublisher(Publisher):
    """A Publisher for a node without a replicator: every Done is for one copy."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @override
    def ask(self, request: Request, timeout_s: float) -> Answer:
        try:
            if isinstance(request, Describe):
                return self._described(request)
            self._do(request)
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
                target.mkdir()
                sync_folder(target.parent)
            case Remove(path=path, kind=kind):
                self._remove(on_disk(self._root, path), kind)
            case Rename():
                self._rename(request)
            case SetMtime(path=path, mtime_ns=mtime_ns):
                target = on_disk(self._root, path)
                os.utime(target, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
                sync_file(target)
            case Fetch(path=path):
                on_disk(self._root, path).lstat()
            case Describe() | Ask():
                raise PublisherUnreachableError("there is no replicator to ask")

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
        make_folders_durably(target.parent)
        publish_durably(staged, target)

    def _remove(self, target: Path, kind: str) -> None:
        is_directory = stat.S_ISDIR(target.lstat().st_mode)
        if is_directory != (kind == "directory"):
            raise FileNotFoundError(errno.ENOENT, f"not a {kind}")
        if is_directory:
            target.rmdir()
        else:
            target.unlink()
        sync_folder(target.parent)

    def _rename(self, request: Rename) -> None:
        source, target = on_disk(self._root, request.source), on_disk(self._root, request.target)
        moves_directory = stat.S_ISDIR(source.lstat().st_mode)
        replaces = target.is_symlink() or target.exists()
        if replaces and (moves_directory or target.is_dir() or not request.replace):
            raise FileExistsError(errno.EEXIST, "the target exists")
        replace_durably(source, target)
