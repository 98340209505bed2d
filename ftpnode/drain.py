"""Remembers that this node is being emptied: a flag file in the state folder, so that a restart stays drained."""

from pathlib import Path
from typing import Final

from cluster.durable_file import make_folders_durably, sync_folder, write_durably

FLAG_NAME: Final = "draining"


class Drain:
    """The drain flag of one node."""

    def __init__(self, state: Path) -> None:
        make_folders_durably(state)
        self._flag = state / FLAG_NAME
        self.draining = self._flag.exists()

    def drain(self) -> None:
        """Let no new session in, from now on and after a restart."""
        write_durably(self._flag, b"")
        self.draining = True

    def enable(self) -> None:
        """Let sessions in again."""
        self._flag.unlink(missing_ok=True)
        sync_folder(self._flag.parent)
        self.draining = False
