"""Decides what may be acknowledged to one peer: how far its index is in ours, and how far its content is here."""

from collections import deque
from collections.abc import Container, Iterable
from typing import Final

_FEW: Final = 1000


class PeerProgress:
    """How far we are with one peer's announcements."""

    def __init__(self, seen: int, held: int, pending: Iterable[str] = ()) -> None:
        """`pending`: the paths whose content was still missing when an earlier run ended."""
        self.seen = seen
        self._held = held
        self._open = deque((held + 1, path) for path in pending) if held < seen else deque()
        self._swept = len(self._open)

    def took(self, paths: Iterable[str], upto: int) -> None:
        """The heads of these paths, announced up to `upto`, are merged."""
        self._open.extend((self.seen + 1, path) for path in paths)
        self.seen = max(self.seen, upto)

    def held(self, pending: Container[str]) -> int:
        """The last announcement up to which nothing is missing, given the paths that still are."""
        while self._open and self._open[0][1] not in pending:
            self._open.popleft()
        if len(self._open) > 2 * self._swept + _FEW:
            self._sweep(pending)
        self._held = max(self._held, self._open[0][0] - 1 if self._open else self.seen)
        return self._held

    def _sweep(self, pending: Container[str]) -> None:
        """Forget what is done behind a path that waits, perhaps for days."""
        first: dict[str, int] = {}
        for sequence, path in self._open:
            if path in pending:
                first.setdefault(path, sequence)
        self._open = deque((sequence, path) for path, sequence in first.items())
        self._swept = len(self._open)
