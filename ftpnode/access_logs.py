"""Appends to the classic logs that the node's `logs` name. Rotation is the platform's: rename, then SIGHUP.

The event loop writes, and so do the threads of SFTP sessions: a lock keeps lines whole, and no file is closed under a
writer's hands. Workers write into the same file: every line is one write to a file that is open for appending.
"""

import threading
from io import FileIO
from pathlib import Path

from cluster import clock
from cluster.log import logger
from cluster.settings import AccessLogFiles
from ftpnode.core.log_lines import CommandDone, TransferDone, w3c_header, w3c_line, xferlog_line

log = logger(__name__)


class AccessLogs:
    """The open files. Making it opens them: OSError when one cannot be."""

    def __init__(self, files: AccessLogFiles) -> None:
        self._lock = threading.Lock()
        self._files = files
        self._w3c = _opened(files.w3c)
        self._xferlog = _opened(files.xferlog)
        self._begin()

    @property
    def wants_commands(self) -> bool:
        """Whether any log takes commands."""
        return self._w3c is not None

    @property
    def wants_transfers(self) -> bool:
        """Whether any log takes transfers."""
        return self._xferlog is not None

    def command(self, done: CommandDone) -> None:
        """Log a command and its last reply."""
        line = w3c_line(done)
        with self._lock:
            _append(self._w3c, line)

    def transfer(self, done: TransferDone) -> None:
        """Log an upload or a download."""
        line = xferlog_line(done)
        with self._lock:
            _append(self._xferlog, line)

    def reopen(self, files: AccessLogFiles | None = None) -> None:
        """Go on in files of these names, or of the same names; where one cannot be opened, the open ones stay."""
        try:
            fresh = AccessLogs(files or self._files)
        except OSError as error:
            log.warning("cannot reopen a log", file=str(error.filename), why=error.strerror)
            return
        with self._lock:
            self._close()
            self._files, self._w3c, self._xferlog = fresh._files, fresh._w3c, fresh._xferlog

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        for stream in (self._w3c, self._xferlog):
            if stream is not None:
                stream.close()
        self._w3c = self._xferlog = None

    def _begin(self) -> None:
        if self._w3c is not None and self._w3c.tell() == 0:
            _append(self._w3c, w3c_header(clock.utc_now()))


def _opened(file: Path | None) -> FileIO | None:
    return file.open("ab", buffering=0) if file is not None else None


def _append(stream: FileIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        stream.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        log.warning("a log line is lost", file=stream.name, why=error.strerror)
