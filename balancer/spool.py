"""The spool: the bytes of one upload in flight, in an unlinked file, within what one session and all may keep."""

import tempfile
from pathlib import Path

from cluster.settings import Spool as SpoolSettings


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
    """One upload's bytes; OSError when the folder gives no file."""

    def __init__(self, budget: SpoolBudget) -> None:
        self._budget = budget
        self._file = tempfile.TemporaryFile(dir=budget.folder, buffering=0)  # noqa: SIM115 - lives as long as the upload
        self.size_bytes = 0

    @property
    def descriptor(self) -> int:
        """The open file."""
        return self._file.fileno()

    @property
    def room_bytes(self) -> int:
        """How much more it may take in."""
        return self._budget.room_bytes(self.size_bytes)

    def grew(self, count_bytes: int) -> None:
        """Note bytes that were put at its end."""
        self.size_bytes += count_bytes
        self._budget.used_bytes += count_bytes

    def free(self) -> None:
        """Give everything back."""
        self._budget.used_bytes -= self.size_bytes
        self.size_bytes = 0
        self._file.close()
