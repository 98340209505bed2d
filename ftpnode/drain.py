"""Remembers that this node is being emptied: a flag file in the state folder, so that a restart stays drained."""

from pathlib import Path
from typing import Final

from cluster.clock import monotonic_s
from cluster.durable_file import make_folders_durably, sync_folder, write_durably

FLAG_NAME: Final = "draining"


class Drain:
    """The drain flag of one node."""

    def __init__(self, state: Path) -> None:
        make_folders_durably(state)
        self._flag = state / FLAG_NAME
        self.draining = self._flag.exists()
        self._until_s: float | None = None

    @property
    def left_s(self) -> float | None:
        """How long the sessions that are here may still take, down to 0; None: as long as they like."""
        return None if self._until_s is None else max(0.0, self._until_s - monotonic_s())

    def drain(self, deadline_s: float | None = None) -> None:
        """Let no new session in, from now on and after a restart; who is here has `deadline_s` from now on."""
        write_durably(self._flag, b"")
        self._until_s = None if deadline_s is None else monotonic_s() + deadline_s
        self.draining = True

    def enable(self) -> None:
        """Let sessions in again."""
        self._flag.unlink(missing_ok=True)
        sync_folder(self._flag.parent)
        self._until_s = None
        self.draining = False
