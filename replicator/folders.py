"""Makes the folders that entries lie in, on the disk and in the index."""

from typing import TYPE_CHECKING

from cluster.clock import now_ns
from cluster.tree_path import parents
from replicator.core.head import Kind, losers, seen_by, winner
from replicator.core.place import Applied, Found, Place, Row, Written
from replicator.not_yet import NotYetError

if TYPE_CHECKING:
    from replicator.replica import Replica


class Folders:
    """Those of one replica. Used by the control thread alone."""

    def __init__(self, replica: "Replica") -> None:
        self._replica = replica

    async def ensure(self, path: str, *, over_files: bool) -> list[str]:
        """Make every folder above `path` on the disk and in the index; the paths of those that are new in the index.

        A file in the way is kept in the conflict store, or with `over_files` false it is a NotYetError.
        """
        replica, made = self._replica, []
        for folder in parents(path):
            row = replica.index.place(folder).row
            if row is not None and row.kind is Kind.DIRECTORY and replica.index.is_live(folder):
                continue
            async with replica.locks.of(folder):
                if not replica.index.is_live(folder) or _shown_kind(replica.index.place(folder)) is not Kind.DIRECTORY:
                    made.append(folder)
                await self._make(folder, over_files=over_files)
        return made

    def keep(self, path: str) -> None:
        """A directory stays one, for what is in it, though it was deleted or replaced: the node says so to all.

        A read-only member leaves that to the others: NotYetError.
        """
        if self._replica.index.read_only:
            raise NotYetError(f"{path} is no directory any more, but has entries; the peers are still to decide")
        self._replica.index.feed(path, Written(row=Row(kind=Kind.DIRECTORY), now_ns=now_ns()))

    async def _make(self, folder: str, *, over_files: bool) -> None:
        """Make one folder, whose parents are there, whatever the index says of it; what it replaces is kept."""
        replica = self._replica
        await replica.know_locked(folder)
        place = replica.index.place(folder)
        shown = winner(place.heads)
        stands = place.row is not None and place.row.kind is Kind.FILE
        if not over_files and (stands or (shown is not None and shown.kind is Kind.FILE)):
            raise NotYetError(f"{folder} is a file, not a directory")
        known = await replica.conflicts.keep_shown(folder, place, keep=stands)
        row = await replica.blocking(replica.tree.make_folder, folder, known)
        if shown is not None and shown.kind is Kind.DIRECTORY:
            replica.index.feed(folder, Applied(row=row, seen=seen_by(place.heads)))
        elif replica.index.read_only:
            replica.index.feed(folder, Found(row=row, now_ns=now_ns()))  # that it is one, a peer is about to tell
        else:
            place = replica.index.feed(folder, Written(row=row, now_ns=now_ns()))
            if losers(place.heads):
                replica.wake(folder)


def _shown_kind(place: Place) -> Kind | None:
    shown = winner(place.heads)
    return shown.kind if shown else None
