"""Keeps for every folder the sum of what stands below it, changed with every place, so that asking costs nothing.

What counts is what the cluster's tree shows, wherever its content is: a file that a peer announced counts at once.
"""

from collections import Counter

from cluster.quota import Usage
from cluster.tree_path import parents
from replicator.core.head import winner
from replicator.core.place import Place


class Usages:
    """The sums below all folders."""

    def __init__(self) -> None:
        self._bytes: Counter[str] = Counter()
        self._entries: Counter[str] = Counter()

    def below(self, folder: str) -> Usage:
        """What stands below a tree path, at any depth; the root is the empty string."""
        return Usage(self._bytes[folder], self._entries[folder])

    def add(self, path: str, place: Place) -> None:
        """The place came into being, or changed to this."""
        self._count(path, place, 1)

    def take(self, path: str, place: Place) -> None:
        """The place is about to change from this."""
        self._count(path, place, -1)

    def _count(self, path: str, place: Place, sign: int) -> None:
        head = winner(place.heads)
        if head is None or not head.is_live:
            return
        for folder in ("", *parents(path)):
            self._bytes[folder] += sign * head.size_bytes
            self._entries[folder] += sign
            if not self._entries[folder]:
                del self._entries[folder], self._bytes[folder]
