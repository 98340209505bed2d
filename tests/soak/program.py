"""A program on a node's host that writes, deletes and renames beside FTP, and makes durable what it does.

On the paths that it shares with others it moves whole files in, as receivers do; files of its own it writes in place
and appends to. A program that writes in place what others replace meanwhile writes into a file without a name: nobody
can keep that.
"""

import errno
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

from cluster.clock import monotonic_s
from cluster.content_id import content_id_of
from cluster.durable_file import replace_durably, sync_folder
from tests.kit.record import Record
from tests.kit.self_telling import new_content
from tests.soak.operations import DONE, UNKNOWN, Journal, Operation, contents_at
from tests.soak.paths import shared_folder, shared_move, shared_path
from tests.soak.writer import Writer

_MOST_BYTES = 20_000
_NOT_NOW = {errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.EINVAL}
"""What stands there does not go with it."""
_KINDS = {
    "write": 25, "write own": 15, "append own": 8, "delete": 6, "delete own": 5, "rename": 5, "rename folder": 1,
    "mkdir": 2,
}  # fmt: skip


class Program(Writer):
    """Works on one node's disk; `beside` is a folder on the same disk, outside of the root."""

    kinds = _KINDS

    def __init__(
        self,
        node: str,
        root: Path,
        beside: Path,
        journal: Journal,
        chance: random.Random,
        record: Record,
        is_over: threading.Event,
        most_rest_s: float,
    ) -> None:
        super().__init__(f"program on {node}", journal, chance, record, is_over, most_rest_s)
        self._node = node
        self._root = root
        self._beside = beside

    # what it does

    def _write(self) -> None:
        self._move_in(shared_path(self._chance))

    def _write_own(self) -> None:
        path = self._own()
        if self._chance.random() < 0.5:
            self._move_in(path)
        else:
            self._write_in_place(path, new_content(self._chance, _MOST_BYTES), os.O_TRUNC)

    def _append_own(self) -> None:
        self._write_in_place(self._own(), new_content(self._chance, 500), os.O_APPEND)

    def _delete(self) -> None:
        self._unlink(shared_path(self._chance))

    def _delete_own(self) -> None:
        self._unlink(self._own())

    def _rename(self) -> None:
        self._move(*shared_move(self._chance))

    def _rename_folder(self) -> None:
        self._move(shared_folder(self._chance), shared_folder(self._chance))

    def _mkdir(self) -> None:
        operation = self._begin("mkdir", shared_folder(self._chance))
        self._end(operation, lambda: (self._root / operation.path).mkdir(parents=True))

    # how

    def _own(self) -> str:
        return f"beside/{self._node}/{self._chance.randrange(40)}"

    def _move_in(self, path: str) -> None:
        content = new_content(self._chance, _MOST_BYTES)
        new = self._beside / f"{self._node}-{self._turn}"
        with new.open("xb") as file:
            file.write(content)
            os.fsync(file.fileno())

        def move() -> None:
            (self._root / path).parent.mkdir(parents=True, exist_ok=True)
            operation.gone = contents_at(self._root, path)
            replace_durably(new, self._root / path)

        operation = self._begin("write", path, content_id_of(content))
        self._end(operation, move)
        new.unlink(missing_ok=True)

    def _write_in_place(self, path: str, content: bytes, how: int) -> None:
        file = self._root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_bytes() if how == os.O_APPEND and file.is_file() else b""
        operation = self._begin("write", path, content_id_of(before + content), contents_at(self._root, path))

        def write() -> None:
            fd = os.open(file, os.O_WRONLY | os.O_CREAT | how, 0o644)
            try:
                os.write(fd, content)
                os.fsync(fd)
                if os.fstat(fd).st_ino != file.stat().st_ino:
                    raise FileNotFoundError(errno.ENOENT, "what was missing has just been brought back in its place")
            finally:
                os.close(fd)
            sync_folder(file.parent)

        self._end(operation, write)

    def _unlink(self, path: str) -> None:
        operation = self._begin("delete", path, gone=contents_at(self._root, path))

        def unlink() -> None:
            (self._root / path).unlink()
            sync_folder((self._root / path).parent)

        self._end(operation, unlink)

    def _move(self, source: str, target: str) -> None:
        operation = self._begin("rename", source, target=target)

        def move() -> None:
            if (self._root / source).is_dir() and (self._root / target).exists():
                raise FileExistsError(errno.EEXIST, target)
            operation.gone = contents_at(self._root, target)
            replace_durably(self._root / source, self._root / target)

        self._end(operation, move)

    def _begin(
        self, kind: str, path: str, content: str = "", gone: frozenset[str] = frozenset(), target: str = ""
    ) -> Operation:
        operation = Operation(
            who=self.name,
            node=self._node,
            kind=kind,
            path=path,
            target=target,
            content=content,
            gone=gone - {content},
            is_program=True,
        )
        return self._journal.begin(operation)

    def _end(self, operation: Operation, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            if error.errno not in _NOT_NOW:
                raise
            operation.end(UNKNOWN)
            operation.ended_s = monotonic_s()  # whatever came of it, it is over
        else:
            operation.end(DONE)
            self._record.count("changes beside FTP")
