"""Downloads and listings written to the journal, for the clients that read back what others pushed."""

import ftplib
from collections.abc import Callable

from cluster.clock import monotonic_s
from cluster.content_id import content_id_of
from stations.ftp_client import CLIENT_ERRORS, received_file
from stations.journal import Role, What
from stations.scene import Scene

Expected = Callable[[str], bool]
"""Whether a content id is the right one for the file that was asked for."""


class Reader:
    """Reads as one client; every transfer is written down from start to end. Failures are written and raised again."""

    def __init__(self, scene: Scene, who: str, role: Role) -> None:
        self._scene = scene
        self._who = who
        self._role = role

    def names(self, ftp: ftplib.FTP, folder: str, command: str, *, path: str) -> list[str]:
        """The names in `folder` by NLST or MLSD; the journal says `path`, with a slash at its end."""
        started_s = self._started(path)
        try:
            if command == "MLSD":
                found = [name for name, facts in ftp.mlsd(folder) if facts.get("type") == "file"]
            else:
                found = [name.rpartition("/")[2] for name in ftp.nlst(folder)]
        except CLIENT_ERRORS as error:
            self._failed(path, error, started_s)
            raise
        self._ended(What.DOWNLOAD_FINISHED, path, started_s)
        return found

    def listing(self, ftp: ftplib.FTP, folder: str, *, path: str) -> list[str]:
        """The lines of LIST, as a person at the service desk sees them."""
        started_s = self._started(path)
        lines: list[str] = []
        try:
            ftp.retrlines(f"LIST {folder}", lines.append)
        except CLIENT_ERRORS as error:
            self._failed(path, error, started_s)
            raise
        self._ended(What.DOWNLOAD_FINISHED, path, started_s)
        return lines

    def read(self, ftp: ftplib.FTP, name: str, expected: Expected, *, path: str) -> bytes:
        """The file `name`, checked against `expected`; the wrong bytes after a good 226 are written as corrupt."""
        started_s = self._started(path)
        try:
            ftp.voidcmd("TYPE I")
            content, reply = received_file(ftp, f"RETR {name}")
        except CLIENT_ERRORS as error:
            self._failed(path, error, started_s)
            raise
        content_id = content_id_of(content)
        right = expected(content_id)
        self._ended(
            What.DOWNLOAD_FINISHED if right else What.DOWNLOAD_CORRUPT,
            path,
            started_s,
            content_id=content_id,
            bytes=len(content),
            reply=reply,
        )
        return content

    def violations(self, found: list[str]) -> None:
        """Write down what worked although it must not."""
        for each in found:
            self._scene.journal.write(self._who, self._role, What.VIOLATION, error=each)

    def cannot_log_in(self, error: Exception) -> None:
        """Write down a visit that failed at the door; it counts as one failed download."""
        self._started("/")
        self._failed("/", error, monotonic_s())

    def _started(self, path: str) -> float:
        self._scene.journal.write(self._who, self._role, What.DOWNLOAD_STARTED, path=path)
        return monotonic_s()

    def _failed(self, path: str, error: Exception, started_s: float) -> None:
        self._ended(What.DOWNLOAD_FAILED, path, started_s, error=f"{type(error).__name__}: {error}")

    def _ended(self, event: What, path: str, started_s: float, **facts: object) -> None:
        seconds = monotonic_s() - started_s
        self._scene.journal.write(self._who, self._role, event, path=path, seconds=seconds, **facts)
