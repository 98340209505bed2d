"""Gives many staged new files their names at once: one commit of their intents, one fsync for each folder.

Only what is plain: a path where nothing stands, and of which one version is known. The rest is left to
`Replica.settle`, and what goes wrong too.
"""

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from cluster.tree_path import parent
from replicator.core.head import Head, Kind, seen_by
from replicator.core.place import Applied, Install, plan, row_of
from replicator.disk.staging import Held
from replicator.disk.tree import Installation
from replicator.index.index import Index
from replicator.index.intent import Intent
from replicator.not_yet import NotYetError
from replicator.replica import Replica


def new_file(replica: Replica, path: str) -> Head | None:
    """The version that the path waits for, if it is the only one known of it, and a file, and nothing stands there."""
    place = replica.index.place(path)
    if len(place.heads) != 1 or place.row is not None or path in replica.doubtful or replica.index.excludes(path):
        return None
    action = plan(place)
    return action.head if isinstance(action, Install) else None


def has_folder(index: Index, path: str) -> bool:
    """Whether the folder above the path stands on the disk, as far as is known, and is to be there."""
    folder = parent(path)
    row = index.place(folder).row
    return folder == "" or (row is not None and row.kind is Kind.DIRECTORY and index.is_live(folder))


async def settle_prepared(replica: Replica, paths: Sequence[str]) -> Collection[str]:
    """As Replica.settle of the new files whose content stands ready in staging; which these are.

    NotYetError, OSError or WrongRootError when none can be settled now.
    """
    async with replica.settlers.of(*paths), replica.locks.of(*paths):
        replica.marker.check()
        heads = {path: head for path in paths if (head := new_file(replica, path)) is not None}
        held: dict[str, Held] = {}
        for path, head in heads.items():
            if has_folder(replica.index, path) and (found := replica.staging.take(head.content_id)) is not None:
                held[path] = found
        installed: list[str] = []
        try:
            installed = await install_new(replica, {path: heads[path] for path in held}, held)
        finally:
            for path in held.keys() - installed:
                replica.staging.add(held[path])
    return installed


async def install_new(replica: Replica, heads: Mapping[str, Head], staged: Mapping[str, Held]) -> list[str]:
    """Install the staged file of each of these versions, the locks of whose paths the caller holds; which are in place.

    An intent that failed is doubtful from then on. NotYetError when the index cannot be written: then none is.
    """
    if not heads:
        return []
    index = replica.index
    seen = {path: seen_by(index.place(path).heads) for path in heads}
    numbers = {
        path: index.intend(Intent(path=path, content_id=head.content_id, seen=seen[path]))
        for path, head in heads.items()
    }
    pieces = [
        Installation(staged[path].file, path, row_of(head), head.mode, None, staged[path].is_synced)
        for path, head in heads.items()
    ]
    try:
        await index.durable()
        replica.marker.check()
        rows = await replica.lanes.run_all(replica.tree.install_all, pieces)
    except Exception as error:
        for path, number in numbers.items():
            replica.doubt(path, number)
        if isinstance(error, sqlite3.Error):
            raise NotYetError(f"the index cannot be written: {error}") from error
        raise
    installed = []
    for path, row in zip(heads, rows, strict=True):
        if isinstance(row, Exception):
            replica.doubt(path, numbers[path])
        else:
            index.feed(path, Applied(row=row, seen=seen[path]))
            index.forget(numbers[path])
            installed.append(path)
    return installed
