"""Has the peers show what was changed, under the name that it has when they say so.

A client may rename a file, or a folder above it, while another client's upload still waits for the peers: a peer that
has heard of the rename then rightly shows nothing under the old name, and perhaps not yet anything under the new one.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from cluster.clock import monotonic_s
from replicator.index.index import Index
from replicator.peers.mesh import MIN_COMMIT_S, Mesh, PreparedCopies
from replicator.peers.wire import Entry


class Showing:
    """One change, from its being made here until the peers show it. Used by the control thread alone."""

    def __init__(self, index: Index, mesh: Mesh, paths: Iterable[str]) -> None:
        self._index = index
        self._mesh = mesh
        self._untold = dict.fromkeys(paths)
        self._names = set(self._untold)

    def moved(self, path: str, new: str) -> None:
        """What stood at `path` stands at `new` now, and the index knows it."""
        if path in self._names:
            self._names.add(new)
            self._untold[new] = None

    async def by_peers(self, copies: PreparedCopies) -> int:
        """How many of the peers that prepared show all of it where it is now; none when it moves to the last.

        sqlite3.Error when the index cannot be written.
        """
        until_s = max(copies.deadline_s, monotonic_s() + MIN_COMMIT_S)
        shown = len(copies.links)
        while self._untold:
            paths, self._untold = self._untold, {}
            await self._index.durable()
            self._mesh.announce()
            entries = tuple(Entry(path, self._index.place(path).heads) for path in paths)
            if copies.links:
                shown = min(shown, await self._mesh.commit(entries, copies))
            if monotonic_s() > until_s:
                break
        return 0 if self._untold else shown


class Showings:
    """Those of this node that are under way. Used by the control thread alone."""

    def __init__(self, index: Index, mesh: Mesh) -> None:
        self._index = index
        self._mesh = mesh
        self._under_way: set[Showing] = set()

    @contextmanager
    def of(self, paths: Iterable[str]) -> Iterator[Showing]:
        """What stands at these paths must be shown by peers; within the block it is followed where it moves."""
        showing = Showing(self._index, self._mesh, paths)
        self._under_way.add(showing)
        try:
            yield showing
        finally:
            self._under_way.discard(showing)

    def moved(self, path: str, new: str) -> None:
        """A client has renamed what stood at `path`, and the index knows it."""
        for showing in self._under_way:
            showing.moved(path, new)
