"""The spool: the bytes of one upload in flight, in an unlinked file, within what one session and all may keep."""

import tempfile
from pathlib import Path
from typing import IO

from cluster.balancer_settings import Spool as SpoolSettings
from cluster.log import logger

log = logger(__name__)


class SpoolBudget:
    """What all spools together hold."""

    def __init__(self, settings: SpoolSettings) -> None:
        self._settings = settings
        self.used_bytes = 0

    @property
    def folder(self) -> Path:
        """Where the files lie; they have no name there."""
        return self._settings.folder

    def room_bytes(self, size_bytes: int) -> int:
        """How much a spool that holds `size_bytes` may take in."""
        of_session = self._settings.session_bytes - size_bytes
        return max(0, min(of_session, self._settings.total_bytes - self.used_bytes))


class Spool:
    """One upload's bytes; a folder that gives no file leaves no room, so the upload goes through unspooled."""

    def __init__(self, budget: SpoolBudget) -> None:
        self._budget = budget
        self.size_bytes = 0
        self._file: IO[bytes] | None = None
        try:
            self._file = new_file(budget.folder)
        except OSError as error:
            log.warning("no spool", folder=str(budget.folder), why=error.strerror)

    @property
    def descriptor(self) -> int:
        """The open file; ask only where there is room."""
        assert self._file is not None, "a spool without a file has no room"
        return self._file.fileno()

    @property
    def room_bytes(self) -> int:
        """How much more it may take in."""
        return self._budget.room_bytes(self.size_bytes) if self._file is not None else 0

    def grew(self, count_bytes: int) -> None:
        """Note bytes that were put at its end."""
        self.size_bytes += count_bytes
        self._budget.used_bytes += count_bytes

    def free(self) -> None:
        """Give everything back."""
        self._budget.used_bytes -= self.size_bytes
        self.size_bytes = 0
        if self._file is not None:
            self._file.close()


def new_file(folder: Path) -> IO[bytes]:
    """An empty file without a name; OSError."""
    return tempfile.TemporaryFile(dir=folder, buffering=0)
