"""Holds back deletions that come in a flood, until an operator lets them go or has the files brought back.

A deletion found on this disk that is held back is unknown to the index: the path is as it was, for the peers and for
this node, whose disk alone lacks the file. A folder among them is made again, empty. What a peer has deleted and is
held back is news that has not been heard yet. Both are remembered in the index, and so outlive a restart.
"""

from collections.abc import Collection, Iterable
from typing import Final

from cluster.clock import monotonic_s, now_ns
from cluster.log import logger
from cluster.publish import Reason
from cluster.replication_settings import DeleteBudget, DeleteBudgets
from replicator.core.delete_budget import UNSPENT, Spent, is_flood, recent, spending
from replicator.core.head import Heads, Kind, merged, winner
from replicator.core.place import Place
from replicator.index.held_delete import HeldDelete
from replicator.index.index import Index
from replicator.publish.refusals import RefusedError

FOUND: Final = "found"
PEERS: Final = "peers"
CLIENTS: Final = "clients"

log = logger(__name__)


class HeldDeletes:
    """The deletions that one replica holds back. Used by the control thread alone."""

    def __init__(self, index: Index, budgets: DeleteBudgets) -> None:
        self._index = index
        self._budgets: dict[str, DeleteBudget | None] = {
            FOUND: budgets.found,
            PEERS: budgets.peers,
            CLIENTS: budgets.clients,
        }
        self._window_s = budgets.window_s
        self._spent: dict[str, Spent] = {}
        self._granted, self._granted_until_s = 0, 0.0
        self.refused_s = float("-inf")  # when a client's deletion was last refused

    def holds(self, path: str) -> bool:
        """Whether a deletion of this path, found on the disk, is held back."""
        held = self._index.held.get(path)
        return held is not None and not held.peer

    def found(self, lost: Iterable[str], coming: Iterable[str]) -> frozenset[str]:
        """Judge entries that are gone from the disk; those of them whose deletion is held back.

        `coming` are further ones, which are judged later but show already that it is a flood.
        """
        paths = [path for path in lost if self._index.place(path).row is not None]
        new = [path for path in paths if path not in self._index.held]
        files = self._lost(new)
        if not any(not held.peer for held in self._index.held.values()):
            if not files or not self._is_flood(FOUND, len(self._lost([*new, *coming]))):
                self._spend(FOUND, len(files))
                return frozenset()
            log.warning("deletions are held back", found=len(files), example=files[0])
        for path in new:
            self._index.hold(HeldDelete(path=path, at_ns=now_ns(), is_folder=_is_folder(self._index.place(path))))
        return frozenset(path for path in paths if self.holds(path))

    def heard(self, peer: str, news: Collection[tuple[str, Heads]]) -> list[tuple[str, Heads]]:
        """What a peer announced, without the deletions that are held back."""
        whole = [(path, self._with_held(path, heads)) for path, heads in news]
        deleted = {path for path, heads in whole if self._deletes(path, heads)}
        if not deleted and not any(path in self._index.held for path, _ in news):
            return whole
        if not any(held.peer for held in self._index.held.values()):
            told = {head.content_id for _, heads in whole if (head := winner(heads)) and head.is_live}
            count = len(self._lost(deleted, told))
            granted = self._granted if monotonic_s() < self._granted_until_s else 0
            if not self._is_flood(PEERS, max(0, count - granted)):
                self._granted = max(0, granted - count)
                self._spend(PEERS, max(0, count - granted))
                return whole
            log.warning("deletions of a peer are held back", peer=peer, count=len(deleted), example=min(deleted))
        for path, heads in whole:
            if path in deleted:
                is_folder = _is_folder(self._index.place(path))
                self._index.hold(HeldDelete(path=path, at_ns=now_ns(), peer=peer, heads=heads, is_folder=is_folder))
            elif path in self._index.held and self._index.held[path].peer:
                self._index.let_go(path)
        return [(path, heads) for path, heads in whole if path not in deleted]

    def asked(self, kind: Kind) -> None:
        """A client deletes an entry; RefusedError when its deletions of files are a flood."""
        if kind is not Kind.FILE:
            return
        if self._is_flood(CLIENTS, 1):
            self.refused_s = monotonic_s()
            raise RefusedError(
                Reason.HELD_BACK, "too many deletions within a short time; an operator must approve them"
            )
        self._spend(CLIENTS, 1)

    def grant(self, count: int) -> None:
        """An operator has let that many deletions go on a peer: they are no flood here."""
        self._granted += count
        self._granted_until_s = monotonic_s() + self._window_s

    def forgive(self) -> None:
        """An operator has decided: what went before counts no more."""
        self._spent.clear()
        self.refused_s = float("-inf")

    def notices(self) -> tuple[str, ...]:
        """Sentences for an operator."""
        found = sorted(path for path, held in self._index.held.items() if not held.peer)
        heard = sorted(path for path, held in self._index.held.items() if held.peer)
        then = f"`tripod approve {self._index.node}` lets them go, with --restore the files come back"
        notices = []
        if found:
            notices.append(f"{len(found)} deletions found on this disk are held back, such as {found[0]!r}: {then}")
        if heard:
            peers = ", ".join(sorted({self._index.held[path].peer for path in heard}))
            notices.append(f"{len(heard)} deletions heard of {peers} are held back, such as {heard[0]!r}: {then}")
        if monotonic_s() - self.refused_s < self._window_s:
            notices.append(
                f"deletions of clients are refused, there were too many: `tripod approve {self._index.node}`"
            )
        return tuple(notices)

    def _lost(self, paths: Iterable[str], told: Collection[str] = ()) -> list[str]:
        """The files that are lost if all these paths go: what was renamed stands elsewhere, or a peer tells of it."""
        going = dict.fromkeys(paths)
        stays: dict[str, bool] = dict.fromkeys(told, True)
        lost = []
        for path in going:
            row = self._index.place(path).row
            if row is None or row.kind is not Kind.FILE:
                continue
            if row.content_id not in stays:
                here = self._index.by_content.get(row.content_id, ())
                stays[row.content_id] = any(other not in going for other in here)
            if not stays[row.content_id]:
                lost.append(path)
        return lost

    def _is_flood(self, whose: str, asked: int) -> bool:
        spent = recent(self._spent.get(whose, UNSPENT), monotonic_s(), self._window_s)
        self._spent[whose] = spent
        return is_flood(self._budgets[whose], spent, asked, self._index.live_files)

    def _spend(self, whose: str, count: int) -> None:
        self._spent[whose] = spending(self._spent.get(whose, UNSPENT), count, monotonic_s())

    def _with_held(self, path: str, heads: Heads) -> Heads:
        held = self._index.held.get(path)
        return heads if held is None or not held.peer else merged(held.heads, heads)

    def _deletes(self, path: str, heads: Heads) -> bool:
        """Whether hearing this takes an entry off our disk, where it still is."""
        place = self._index.place(path)
        before, after = winner(place.heads), winner(merged(place.heads, heads))
        gone = after is not None and after.kind is Kind.TOMBSTONE
        return gone and before is not None and before.is_live and place.row is not None and not self.holds(path)


def _is_folder(place: Place) -> bool:
    return place.row is not None and place.row.kind is Kind.DIRECTORY
