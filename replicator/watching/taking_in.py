"""Takes many small files into the index at once."""

from collections.abc import Callable, Sequence

from replicator.disk.reading import read_together
from replicator.disk.tree import Sighting, Tree
from replicator.replica import Replica

Read = Callable[[Tree, list[str]], list[Sighting | Exception | None]]
"""Looks at many files, and makes durable what it finds."""


async def take_in(replica: Replica, paths: Sequence[str], read: Read = read_together) -> dict[str, Exception]:
    """As `Replica.rescan` of small files that were found; what went wrong, and with which."""
    troubles = {}
    async with replica.locks.of(*paths):
        replica.marker.check()
        found = await replica.blocking(read, replica.tree, list(paths))
        for path, seen in zip(paths, found, strict=True):
            if isinstance(seen, Exception):
                troubles[path] = seen
            else:
                await replica.take_in_locked(path, seen, deleted=False)
    for path in paths:
        if path in replica.index.pending:
            replica.wake(path)
    return troubles
