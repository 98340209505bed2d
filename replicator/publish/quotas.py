"""Refuses what would exceed an account's quota. Changes under way count as done, so that two cannot take one place.

That holds on this node. Another one may accept, in the same moment, what it has not yet told us of; so a quota can be
exceeded by what is in flight on the other nodes, and while nodes cannot hear each other, by what each accepts alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from cluster.publish import MakeDirectory, Publish, Reason
from cluster.quota import NOTHING, Usage, overrun
from cluster.tree_path import is_below, parents
from replicator.core.head import Kind, winner
from replicator.disk.partials import Partials
from replicator.index.index import Index
from replicator.publish.refusals import RefusedError


class Claim:
    """What one change under way will add."""

    def __init__(self, path: str, added: Usage) -> None:
        self.path = path
        self.added = added

    def settle(self) -> None:
        """The index shows the change now, or it will not be made."""
        self.added = NOTHING


class Quotas:
    """The claims of this node. Used by the control thread alone."""

    def __init__(self, index: Index, partials: Partials) -> None:
        self._index = index
        self._partials = partials
        self._claims: set[Claim] = set()

    @contextmanager
    def claim(self, request: Publish | MakeDirectory) -> Iterator[Claim]:
        """Count what the request adds until it is settled or the block ends; RefusedError when it does not fit."""
        added = self._added(request)
        if request.quota is not None:
            wrong = overrun(request.quota, self.used(request.quota.home, request.path), added)
            if wrong:
                raise RefusedError(Reason.OVER_QUOTA, f"{request.path}: {wrong}")
        # What a change will free is free when it is made: it may fail yet.
        claim = Claim(request.path, Usage(max(added.bytes, 0), max(added.entries, 0)))
        self._claims.add(claim)
        try:
            yield claim
        finally:
            self._claims.discard(claim)

    def used(self, home: str, path: str = "") -> Usage:
        """What stands below the home, is about to, or is kept of uploads that were cut, but for those to `path`."""
        under_way = (claim.added for claim in self._claims if is_below(claim.path, home))
        kept_bytes = self._partials.bytes_below(home, path)
        return sum(under_way, self._index.usages.below(home) + Usage(kept_bytes, 0))

    def file_bytes(self, path: str) -> int | None:
        """The size of the file at `path`, wherever its content is; None when there is none."""
        head = winner(self._index.place(path).heads)
        return head.size_bytes if head is not None and head.kind is Kind.FILE else None

    def _added(self, request: Publish | MakeDirectory) -> Usage:
        """What the request adds below its account's home."""
        home = request.quota.home if request.quota else ""
        folders = (folder for folder in parents(request.path) if is_below(folder, home))
        made = sum(not self._index.is_live(folder) for folder in folders)
        if not is_below(request.path, home):
            return NOTHING
        if isinstance(request, MakeDirectory):
            return Usage(0, 1 + made)
        there_bytes = self.file_bytes(request.path)
        return Usage(request.size_bytes - (there_bytes or 0), (there_bytes is None) + made)
