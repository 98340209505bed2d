"""Takes many small files into the index at once."""

from collections.abc import Callable, Sequence

from replicator.disk.reading import Found, Rows, read_together
from replicator.disk.tree import Tree
from replicator.replica import Replica

Read = Callable[[Tree, Rows], Found]
"""Looks at many files, and makes durable what it finds."""


async def take_in(replica: Replica, paths: Sequence[str], read: Read = read_together) -> dict[str, Exception]:
    """As `Replica.rescan` of small files that were found; what went wrong, and with which."""
    troubles = {}
    async with replica.locks.of(*paths):
        replica.marker.check()
        rows = {path: replica.index.place(path).row for path in paths}
        found = await replica.blocking(read, replica.tree, rows)
        replica.marker.check()
        for path, seen in zip(rows, found, strict=True):
            if isinstance(seen, Exception):
                troubles[path] = seen
            elif not replica.recorded_locked(path, seen):
                await replica.take_in_locked(path, seen, deleted=False)
    for path in paths:
        if path in replica.index.pending:
            replica.wake(path)
    return troubles
