"""The spool: the bytes of one upload in flight, within what one session and all may keep.

They are kept in memory, and what memory does not hold in an unlinked file.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from balancer.spool_memory import SEGMENT_BYTES, SpoolMemory
from cluster.balancer_settings import Spool as SpoolSettings
from cluster.log import logger
from cluster.problem import ConfigError, Problem

log = logger(__name__)

_NOWHERE = memoryview(b"")


@dataclass(frozen=True, slots=True)
class FilePart:
    """So many bytes of an open file, or room for them."""

    file: int
    offset_bytes: int
    count_bytes: int


class SpoolBudget:
    """What all spools together hold. ConfigError when there is not so much memory."""

    def __init__(self, settings: SpoolSettings) -> None:
        self._settings = settings
        self.used_bytes = 0
        try:
            self.memory = SpoolMemory(settings.memory_bytes)
        except OSError as error:
            what = f"the system has no {settings.memory_bytes} bytes of memory: {error.strerror}"
            raise ConfigError((Problem("balancer.spool.memory_bytes", what, "make it smaller"),)) from error

    @property
    def folder(self) -> Path:
        """Where the files lie; they have no name there."""
        return self._settings.folder

    def room_bytes(self, size_bytes: int) -> int:
        """How much a spool that holds `size_bytes` may take in."""
        of_session = self._settings.session_bytes - size_bytes
        return max(0, min(of_session, self._settings.total_bytes - self.used_bytes))


class Spool:
    """One upload's bytes: whole segments of memory, then a file."""

    def __init__(self, budget: SpoolBudget) -> None:
        self._budget = budget
        self.size_bytes = 0
        self._segments: list[int] = []
        self._file: IO[bytes] | None = None

    @property
    def room_bytes(self) -> int:
        """How much more it may take in."""
        return self._budget.room_bytes(self.size_bytes)

    def memory_room(self) -> memoryview:
        """Where the next bytes belong in memory; empty when it takes no more there."""
        if self._file is not None or not self.room_bytes:
            return _NOWHERE
        if self.size_bytes == self._in_memory_bytes:
            segment = self._budget.memory.take()
            if segment is None:
                return _NOWHERE
            self._segments.append(segment)
        return self._budget.memory.view(self._segments[-1], self.size_bytes % SEGMENT_BYTES, self.room_bytes)

    def file_room(self) -> FilePart | None:
        """Where the next bytes belong when memory takes no more; None without room, or where no file can be made."""
        if not self.room_bytes:
            return None
        try:
            self._file = self._file or new_file(self._budget.folder)
        except OSError as error:
            log.warning("no spool", folder=str(self._budget.folder), why=error.strerror)
            return None
        return FilePart(self._file.fileno(), self.size_bytes - self._in_memory_bytes, self.room_bytes)

    def part(self, offset_bytes: int) -> memoryview | FilePart:
        """What it holds at `offset_bytes`, or the first part of that."""
        number, start = divmod(offset_bytes, SEGMENT_BYTES)
        left_bytes = self.size_bytes - offset_bytes
        if number < len(self._segments):
            return self._budget.memory.view(self._segments[number], start, left_bytes)
        assert self._file is not None, "what is not in memory is in the file"
        return FilePart(self._file.fileno(), offset_bytes - self._in_memory_bytes, left_bytes)

    def grew(self, count_bytes: int) -> None:
        """Note bytes that were put at its end."""
        self.size_bytes += count_bytes
        self._budget.used_bytes += count_bytes

    def free(self) -> None:
        """Give everything back."""
        self._budget.used_bytes -= self.size_bytes
        self.size_bytes = 0
        self._budget.memory.give_back(self._segments)
        self._segments = []
        if self._file is not None:
            self._file.close()

    @property
    def _in_memory_bytes(self) -> int:
        """What memory takes of it; the file begins where the last segment is full."""
        return len(self._segments) * SEGMENT_BYTES


def new_file(folder: Path) -> IO[bytes]:
    """An empty file without a name; OSError."""
    return tempfile.TemporaryFile(dir=folder, buffering=0)
