"""Keeps uploads out of sight while they arrive: files in ROOT/.tripod/staging, hashed as they grow.

Names of ours begin with `up-`. A replicator renames a staged file as its first act on a Publish, so what is called
`up-…` when ftpnode starts is left over and can go.
"""

import contextlib
import errno
import os
import secrets
import shutil
import threading
from pathlib import Path
from typing import BinaryIO, Final

from cluster.content_id import ContentHash
from cluster.durable_file import make_folders_durably
from cluster.tree_path import STAGING, on_disk

PREFIX: Final = "up-"
FLUSH_BYTES: Final = 8 << 20
"""After so many bytes the disk is told to begin, so that the end of a large upload waits for its last bytes alone."""

_COPY_BYTES: Final = 1 << 20
_MODE: Final = 0o644


class OverQuotaError(OSError):
    """The upload grew beyond what its account may still store."""

    def __init__(self) -> None:
        super().__init__(errno.EFBIG, "over the quota of the account")


class Staging:
    """The staging folder of one root. `mark` begins the names that this process gives, where there are several."""

    def __init__(self, root: Path, mark: str = "") -> None:
        self.folder = on_disk(root, STAGING)
        self._prefix = f"{PREFIX}{mark}"

    def prepare(self) -> int:
        """Make the folder and remove what a previous run left; returns how many files that were."""
        make_folders_durably(self.folder)
        left = list(self.folder.glob(f"{self._prefix}*"))
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def free_bytes(self) -> int:
        """How many bytes the disk has left."""
        return shutil.disk_usage(self.folder).free

    def create(self, most_bytes: int | None = None) -> "StagedFile":
        """A new empty staged file that takes `most_bytes`, or (None) any number."""
        return StagedFile(self.folder / f"{self._prefix}{secrets.token_hex(16)}", most_bytes)


class StagedFile:
    """One upload's bytes. The write methods raise OSError, an OverQuotaError among them.

    Whoever made it must end it by `seal` or `discard`. `content` is hashed as the bytes come, in order; after writes
    out of order it is right from `seal` on.
    """

    def __init__(self, path: Path, most_bytes: int | None = None) -> None:
        self._most_bytes = most_bytes
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        self._in_order = True
        self._end_bytes = 0
        self.content = ContentHash()
        self._flush_due_bytes = FLUSH_BYTES
        self._is_flushing = False
        self._disk = threading.Lock()  # a flush may be under way, or still wait for its thread, when the end comes
        self._failure: OSError | None = None

    @property
    def name(self) -> str:
        """Its name in the staging folder, as the publish protocol wants it."""
        return self._path.name

    @property
    def size_bytes(self) -> int:
        """Where it ends."""
        return self.content.size_bytes if self._in_order else self._end_bytes

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes to it; only for a file without writes out of order."""
        self._check_room(self.content.size_bytes + len(data))
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self.content.update(data)

    def write_at(self, offset: int, data: bytes | memoryview) -> None:
        """Put bytes anywhere in it; what is skipped is zeros."""
        if not data:
            return
        if self._in_order and offset == self.content.size_bytes:
            self.write(data)
            return
        self._check_room(offset + len(data))
        self._leave_order()
        at, rest = offset, memoryview(data)
        while rest:
            written_bytes = os.pwrite(self._fd, rest, at)
            at, rest = at + written_bytes, rest[written_bytes:]
        self._end_bytes = max(self._end_bytes, at)

    def read_at(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset` on; fewer at the end."""
        return os.pread(self._fd, length, offset)

    def truncate(self, size_bytes: int) -> None:
        """End it at `size_bytes`, which it has reached."""
        assert size_bytes <= self.size_bytes, "it grows by writes alone"
        if size_bytes == self.size_bytes:
            return
        self._leave_order()
        os.ftruncate(self._fd, size_bytes)
        self._end_bytes = size_bytes

    def is_flush_due(self) -> bool:
        """Whether so much has come that a `flush` should begin, and none is under way; says so once for each."""
        if self._is_flushing or self.size_bytes < self._flush_due_bytes:
            return False
        self._is_flushing = True
        return True

    def flush(self) -> None:
        """Write to the disk what has come, while more comes; blocks on it. `seal` raises what goes wrong here.

        The kernel tells a failure to write once, to whoever asks first.
        """
        with self._disk:
            self._flush_due_bytes = self.size_bytes + FLUSH_BYTES
            try:
                if self._fd >= 0:
                    os.fdatasync(self._fd)
            except OSError as error:
                self._failure = error
            finally:
                self._is_flushing = False

    def copy_from(self, source: BinaryIO, size_bytes: int) -> None:
        """Append the first bytes of `source`, for APPE and REST; EOFError when it has fewer."""
        source.seek(0)
        while size_bytes:
            chunk = source.read(min(_COPY_BYTES, size_bytes))
            if not chunk:
                raise EOFError(f"the file ends {size_bytes} bytes early")
            self.write(chunk)
            size_bytes -= len(chunk)

    def seal(self, mtime_ns: int | None = None) -> None:
        """Make the bytes durable, and the time that it will have once it is published; write no more. Blocks."""
        with self._disk:
            try:
                if self._failure is not None:
                    raise self._failure
                if not self._in_order:
                    self._hash_again()
                if mtime_ns is not None:
                    os.utime(self._fd, ns=(mtime_ns, mtime_ns))
                os.fsync(self._fd)
            finally:
                self._close()

    def close(self) -> None:
        """Write no more; somebody else will end it."""
        with self._disk:
            self._close()

    def discard(self) -> None:
        """Remove it, if it is still here."""
        self.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _check_room(self, end_bytes: int) -> None:
        if self._most_bytes is not None and end_bytes > self._most_bytes:
            raise OverQuotaError

    def _leave_order(self) -> None:
        if self._in_order:
            self._end_bytes = self.content.size_bytes
            self._in_order = False

    def _hash_again(self) -> None:
        self.content = ContentHash()
        while chunk := self.read_at(self.content.size_bytes, _COPY_BYTES):
            self.content.update(chunk)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
