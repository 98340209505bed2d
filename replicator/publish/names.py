"""Refuses, where the settings say so, what would make two entries one name for Windows clients and copies.

Changes under way count as made, so that two of them cannot make such a pair on one node. What other nodes accept in
the same moment, or what comes past the cluster, is kept all the same, and listed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from cluster.publish import Reason
from cluster.tree_path import is_below, parents
from replicator.core.names import likeness
from replicator.index.index import Index
from replicator.publish.refusals import RefusedError


class Names:
    """The new names under way. Used by the control thread alone."""

    def __init__(self, index: Index, policy: Literal["exact", "refuse"]) -> None:
        self._index = index
        self._refuses = policy == "refuse"
        self._under_way: list[tuple[str, str]] = []  # what each is alike in, and its path

    def check(self, path: str) -> None:
        """RefusedError when the path may not be made now."""
        self._made(path, "")

    @contextmanager
    def claim(self, path: str, source: str = "") -> Iterator[None]:
        """Until the block ends the path, and what is missing above it, is being made; RefusedError when it may not be.

        Of a rename, `source` and what lies below it make room.
        """
        made = self._made(path, source)
        self._under_way += made
        try:
            yield
        finally:
            for one in made:
                self._under_way.remove(one)

    def _made(self, path: str, source: str) -> list[tuple[str, str]]:
        made: list[tuple[str, str]] = []
        if self._refuses:
            made = [(likeness(new), new) for new in (*parents(path), path) if not self._index.is_live(new)]
        for alike, new in made:
            others = [*self._index.namesakes.of(new), *(one for its, one in self._under_way if its == alike)]
            for other in others:
                leaves = source and (other == source or is_below(other, source))
                if other != new and not leaves:
                    raise RefusedError(Reason.NAMESAKE, f"{new!r} is one name with {other!r} on Windows")
        return made
