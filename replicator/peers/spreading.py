"""Learns and tells over the links what distant members have heard of: those that this node has no link with."""

from collections.abc import Mapping

from replicator.core.head import Vector, joined
from replicator.core.knowledge import Rows, heard_upto, joined_rows
from replicator.index.index import Index


class Spreading:
    """What this node knows of who has heard what. Used by the control thread alone."""

    def __init__(self, index: Index, members: frozenset[str]) -> None:
        self._index, self._members = index, members
        self._mine: Vector = {}  # what our index covers, perhaps not durably yet
        self._waiting: tuple[int, Vector] | None = None  # our row, true once our index is durable up to there
        self.rows: Rows = {}

    def heard(self, peer: str, rows: Mapping[str, Vector]) -> None:
        """The replica `peer` told this behind all that its own row speaks of, and we have merged that."""
        ours = self._index.clock.replica
        true = {
            replica: {
                about: sequence
                for about, sequence in row.items()
                if about.partition(":")[0] in self._members and (about != ours or self._index.gave(sequence))
            }
            for replica, row in rows.items()
            if replica != ours and replica.partition(":")[0] in self._members
        }
        self._mine = joined((self._mine, true.get(peer, {})))
        self.rows = joined_rows(self.rows, true)

    def told(self, upto: int) -> Rows | None:
        """What may be told to a peer that has been told our index up to our sequence `upto`; None: wait until later."""
        self._take_row()
        mine = self.rows.get(self._index.clock.replica)
        return self.rows if mine is not None and mine[self._index.clock.replica] <= upto else None

    def heard_upto(self, node: str) -> int:
        """Our sequence up to which a member is known to have heard of everything."""
        return heard_upto(self.rows, node, self._index.clock.replica)

    def _take_row(self) -> None:
        """Our row is told when what it speaks of is durable here, and nothing of that is held back from others."""
        index, ours = self._index, self._index.clock.replica
        if self._waiting is not None and self._waiting[0] <= index.durable_sequence:
            self.rows = joined_rows(self.rows, {ours: self._waiting[1]})
            self._waiting = None
        if self._waiting is None and not any(held.peer for held in index.held.values()):
            sequence = index.clock.sequence
            self._waiting = sequence, self._mine | {ours: sequence}
