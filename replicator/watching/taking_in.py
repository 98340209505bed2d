"""Takes many small files into the index at once."""

from collections.abc import Sequence

from replicator.disk.reading import read_together
from replicator.replica import Replica


async def take_in(replica: Replica, paths: Sequence[str]) -> dict[str, Exception]:
    """As `Replica.rescan` of small files that were found; what went wrong, and with which."""
    troubles = {}
    async with replica.locks.of(*paths):
        replica.marker.check()
        found = await replica.blocking(read_together, replica.tree, list(paths))
        for path, seen in zip(paths, found, strict=True):
            if isinstance(seen, Exception):
                troubles[path] = seen
            else:
                await replica.take_in_locked(path, seen, deleted=False)
    for path in paths:
        if path in replica.index.pending:
            replica.wake(path)
    return troubles
