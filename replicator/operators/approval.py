"""Carries out what an operator decides about deletions that are held back: they go, or the files come back."""

from collections.abc import Awaitable, Callable

from cluster.clock import now_ns
from cluster.log import logger
from replicator.core.head import Kind, joined, seen_by, winner
from replicator.core.place import Written
from replicator.disk.tree import UnstableError
from replicator.index.held_delete import HeldDelete
from replicator.not_yet import NotYetError
from replicator.replica import Replica

log = logger(__name__)


class Approval:
    """The decisions on one replica. Used by the control thread alone."""

    def __init__(self, replica: Replica, on_progress: Callable[[], None]) -> None:
        self._replica = replica
        self._on_progress = on_progress

    async def approve(self) -> int:
        """Let every deletion go that is held back, and forget what went before; how many.

        Cut off in the middle it is safe: what was not reached is held still, or comes back.
        """
        return await self._decide(self._delete, "approved")

    async def restore(self) -> int:
        """Bring every file back whose deletion is held back, on all nodes; how many deletions."""
        return await self._decide(self._bring_back, "taken back")

    async def _decide(self, how: Callable[[HeldDelete], Awaitable[None]], word: str) -> int:
        index = self._replica.index
        held = sorted(index.held.values(), key=lambda delete: delete.path, reverse=True)  # what is below comes first
        for delete in held:
            if index.held.get(delete.path) != delete:
                continue  # something else has come of it meanwhile
            index.let_go(delete.path)
            try:
                await how(delete)
            except (NotYetError, UnstableError, OSError) as error:
                log.warning(
                    "a deletion could not be decided; the next scan looks again", path=delete.path, why=str(error)
                )
        self._replica.held_deletes.forgive()
        await index.durable()
        self._on_progress()
        log.warning("deletions that were held back are decided", count=len(held), how=word)
        return len(held)

    async def _delete(self, delete: HeldDelete) -> None:
        replica, path = self._replica, delete.path
        if delete.peer:
            replica.hear(path, delete.heads)
        elif not delete.is_folder:
            await replica.rescan(path, deleted=True)
        elif not replica.index.live_children(path):
            async with replica.locks.of(path):
                await replica.know_locked(path)
                place = replica.index.place(path)
                if place.row is not None and place.row.kind is Kind.DIRECTORY and not replica.index.live_children(path):
                    await replica.blocking(replica.tree.remove, path, Kind.DIRECTORY, place.row)
                    replica.index.feed(path, Written(row=None, now_ns=now_ns()))

    async def _bring_back(self, delete: HeldDelete) -> None:
        replica, path = self._replica, delete.path
        if not delete.peer:
            await replica.rescan(path)
            return
        place = replica.index.place(path)
        if place.row is None:
            replica.hear(path, delete.heads)
            return
        shown = winner(place.heads)
        saw = joined((seen_by(place.heads), seen_by(delete.heads)))
        replica.index.feed(path, Written(row=place.row, mode=shown.mode if shown else 0, now_ns=now_ns(), saw=saw))
