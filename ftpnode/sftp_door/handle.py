"""Open files as SFTP clients hold them: `finish` is the client's CLOSE, `close` alone is what befalls a lost client."""

import abc
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, Final

import paramiko
from typing_extensions import override

from cluster import clock
from cluster.log import logger
from ftpnode.core.listing import Entry
from ftpnode.core.verdict import Ending

if TYPE_CHECKING:
    from ftpnode.sftp_door.session import Session

log = logger(__name__)

READ_LIMIT_BYTES: Final = 256 << 10
_MAX_TIME_S: Final = 2**32 - 1


def attributes(entry: Entry) -> paramiko.SFTPAttributes:
    """What a client reads of an entry; owners are not told, modes are the same for all."""
    shown = paramiko.SFTPAttributes()
    shown.filename = entry.name
    shown.st_size = entry.size_bytes
    shown.st_mode = (stat.S_IFDIR | 0o755) if entry.is_directory else (stat.S_IFREG | 0o644)
    shown.st_mtime = shown.st_atime = min(max(int(entry.mtime_s), 0), _MAX_TIME_S)
    return shown


class Handle(paramiko.SFTPHandle, abc.ABC):
    """An open file."""

    def __init__(self, session: "Session", doing: str, path: str) -> None:
        super().__init__()
        session.doing = (doing, path)
        self.session = session
        self.started_s = clock.monotonic_s()
        self._count(1)

    @abc.abstractmethod
    def finish(self) -> None:
        """The client has closed it; what this raises is the answer."""

    def _count(self, step: int) -> None:
        sessions = self.session.service.sessions
        if step < 0:
            self.session.doing = ("", "")

        def count() -> None:
            sessions.transfers += step

        self.session.threads.soon(count)


class Download(Handle):
    """A file that is read."""

    def __init__(self, session: "Session", path: str, view: str, file: BinaryIO) -> None:
        super().__init__(session, "read", view)
        self._path = path
        self._file = file
        self._moved_bytes = 0
        self._reached = 0

    @override
    def read(self, offset: int, length: int) -> bytes:
        data = os.pread(self._file.fileno(), min(length, READ_LIMIT_BYTES), offset)
        self._moved_bytes += len(data)
        self.session.keep_pace("down", len(data))
        self._reached = max(self._reached, offset + len(data))
        return data

    @override
    def stat(self) -> paramiko.SFTPAttributes:
        found = os.fstat(self._file.fileno())
        return attributes(Entry("", is_directory=False, size_bytes=found.st_size, mtime_s=found.st_mtime))

    @override
    def finish(self) -> None:
        whole = self._reached >= os.fstat(self._file.fileno()).st_size
        self._end(Ending.SENT if whole else Ending.ABORTED)

    @override
    def close(self) -> None:
        self._end(Ending.CONTROL_GONE)

    def _end(self, ending: Ending) -> None:
        self._file.close()
        self._count(-1)
        metrics = self.session.service.metrics
        metrics.downloads.labels(outcome=ending.value).inc()
        metrics.bytes.labels(direction="out").inc(self._moved_bytes)
        log.info(
            "download",
            path=self._path,
            bytes=self._moved_bytes,
            seconds=round(clock.monotonic_s() - self.started_s, 3),
            outcome=ending.value,
            **self.session.who,
        )
