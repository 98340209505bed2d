"""Keeps which path was announced under which of our sequences, in their order: what a peer that stopped there lacks."""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator


class ChangeLog:
    """Pairs of a sequence and a path; a path that changed again is found under its newest sequence alone.

    `is_newest` tells whether a pair still holds.
    """

    def __init__(self, pairs: Iterable[tuple[int, str]], is_newest: Callable[[int, str], bool]) -> None:
        ordered = sorted(pairs)
        self._sequences = array("q", (sequence for sequence, _ in ordered))
        self._paths = [path for _, path in ordered]
        self._is_newest = is_newest

    def add(self, sequence: int, path: str, known: int) -> None:
        """The path was announced under a sequence above all others; `known` paths have one."""
        self._sequences.append(sequence)
        self._paths.append(path)
        if len(self._paths) > 2 * known + 1000:
            kept = [pair for pair in self.after(0) if self._is_newest(*pair)]
            self._sequences = array("q", (sequence for sequence, _ in kept))
            self._paths = [path for _, path in kept]

    def after(self, sequence: int) -> Iterator[tuple[int, str]]:
        """Every pair with a greater sequence, in order; those that were superseded too."""
        for position in range(bisect_right(self._sequences, sequence), len(self._paths)):
            yield self._sequences[position], self._paths[position]

    def newest(self, after: int, upto: int, limit: int) -> list[tuple[int, str]]:
        """Up to `limit` pairs that still hold, with a sequence above `after` and not above `upto`, in order."""
        found: list[tuple[int, str]] = []
        for sequence, path in self.after(after):
            if sequence > upto or len(found) >= limit:
                break
            if self._is_newest(sequence, path):
                found.append((sequence, path))
        return found
