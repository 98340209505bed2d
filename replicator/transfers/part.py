"""Content that is coming in: staged files that are not whole yet. All functions block, and run in the thread pool."""

import contextlib
import errno
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from cluster.content_id import ContentHash, content_id_of_file
from cluster.durable_file import begin_writing, sync_folder
from replicator.core.recipe import Run
from replicator.disk.copying import copy_range, put
from replicator.disk.tree import Tree
from replicator.peers.wire import CHUNK_BYTES

_COPY_BYTES: Final = 32 << 20
_BEGUN_BYTES: Final = 8 << 20
"""After so many bytes the disk is told to begin, so that the end waits for the last ones alone."""


class _OpenFiles:
    """Open files for one thread at a time.

    Who gives up closes them while a thread of the pool may still be at work: then they are closed when it has ended,
    or it would go on with whatever file gets the same number.
    """

    def __init__(self) -> None:
        self._fds: list[int] = []
        self._lock = threading.Lock()
        self._is_used = self._is_closed = False

    def close(self) -> None:
        """Close them all; any time, and more than once."""
        with self._lock:
            self._is_closed = True
            if not self._is_used:
                self._close()

    @contextlib.contextmanager
    def _using(self) -> Iterator[list[int]]:
        with self._lock:
            if self._is_closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            self._is_used = True
        try:
            yield self._fds
        finally:
            with self._lock:
                self._is_used = False
                if self._is_closed:
                    self._close()

    def _close(self) -> None:
        while self._fds:
            os.close(self._fds.pop())


class Part(_OpenFiles):
    """A staged file that grows from its beginning, and whose content id grows along; OSError passes everywhere."""

    def __init__(self, file: Path) -> None:
        """What the file has so far is taken up; it is made if it is not there."""
        super().__init__()
        self.file = file
        self.content = ContentHash()
        self._begun_bytes = 0
        self._fds.append(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        try:
            with self._using() as (fd,):
                while data := os.pread(fd, CHUNK_BYTES, self.content.size_bytes):
                    self.content.update(data)
        except BaseException:
            self.close()
            raise

    def take(self, offset: int, data: bytes) -> None:
        """The next bytes."""
        assert offset == self.content.size_bytes, "a part grows at its end"
        with self._using() as (fd,):
            put(fd, data, offset)
            self.content.update(data)
            if self.content.size_bytes - self._begun_bytes >= _BEGUN_BYTES:
                self._begun_bytes = self.content.size_bytes
                begin_writing(fd)

    def end(self) -> str:
        """Make what is here durable; its content id."""
        with self._using() as (fd,):
            os.ftruncate(fd, self.content.size_bytes)
            os.fsync(fd)
        sync_folder(self.file.parent)
        return self.content.content_id()


class Assembly(_OpenFiles):
    """A staged file put together from other files and from what a peer sends; OSError passes everywhere."""

    def __init__(self, file: Path, size_bytes: int, sources: Sequence[Path], tree: Tree) -> None:
        """A new file."""
        super().__init__()
        self.file = file
        try:
            self._fds.append(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            for source in sources:
                self._fds.append(tree.open(source))
            os.ftruncate(self._fds[0], size_bytes)
        except BaseException:
            self.close()
            raise

    def copy(self, run: Run, done_bytes: int) -> int:
        """Go on with a run of which `done_bytes` are copied, for a while; how many are copied then."""
        assert run.source is not None, "this run is a peer's"
        with self._using() as (fd, *sources):
            upto = min(run.size_bytes, done_bytes + _COPY_BYTES)
            while done_bytes < upto:
                at, offset = run.at + done_bytes, run.offset + done_bytes
                copied = copy_range(sources[run.source], fd, upto - done_bytes, at, offset)
                if not copied:
                    raise OSError(errno.EIO, "a similar file became shorter while it was copied")
                done_bytes += copied
        return done_bytes

    def take(self, offset: int, data: bytes) -> None:
        """Bytes that a peer sent."""
        with self._using() as (fd, *_):
            put(fd, data, offset)

    def end(self) -> str:
        """Make it durable; its content id."""
        with self._using() as (fd, *_):
            os.fsync(fd)
        sync_folder(self.file.parent)
        with self.file.open("rb") as stream:
            return content_id_of_file(stream)
