"""What operators ask of a replicator at its management endpoint, beside its health: documents and actions."""

from collections.abc import Mapping
from typing import Final

from cluster.held import Decided, HeldList, ListedDelete
from cluster.kept import KeptVersions, Restored
from cluster.log import logger
from cluster.management import Action, Document, Lookup
from cluster.oddities import Oddities
from replicator.engine import Engine
from replicator.operators.approval import Approval
from replicator.operators.recovery import Recovery
from replicator.operators.report import list_conflicts, list_versions

_MAX_LISTED: Final = 1000

log = logger(__name__)


class Operators:
    """The documents and actions of one replicator. Used by the control thread alone."""

    def __init__(self, engine: Engine) -> None:
        self._replica = engine.replica
        self._index = engine.replica.index
        self._condition = engine.condition
        self._approval = Approval(engine.replica, engine.progressed)
        self._recovery = Recovery(engine.replica, engine.publishing.answer)
        self.documents: dict[str, Document] = {
            "conflicts": lambda: list_conflicts(self._index),
            "held-deletes": self._held,
            "oddities": self._oddities,
        }
        self.actions: dict[str, Action] = {
            "approve": self._approve,
            "restore-deleted": self._restore_deleted,
            "expect-deletes": self._expect_deletes,
            "restore-version": self._restore_version,
            "restore-conflict": self._restore_conflict,
            "discard-conflict": self._discard_conflict,
        }
        self.lookups: dict[str, Lookup] = {"versions": self._versions}

    def _held(self) -> HeldList:
        held = sorted(self._index.held.values(), key=lambda delete: delete.path)
        listed = tuple(ListedDelete(path=delete.path, at_ns=delete.at_ns, peer=delete.peer) for delete in held)
        found = sum(not delete.peer for delete in held)
        return HeldList(count=len(held), found=found, deletes=listed[:_MAX_LISTED])

    def _oddities(self) -> Oddities:
        odd = self._condition.odd
        namesakes = self._index.namesakes
        return Oddities(
            node=self._index.node,
            namesakes=namesakes.groups(_MAX_LISTED),
            namesake_count=namesakes.count,
            entries=tuple(odd.listed),
            entry_count=odd.count,
        )

    async def _approve(self, _query: Mapping[str, str]) -> Decided:
        return Decided(await self._approval.approve())

    async def _restore_deleted(self, _query: Mapping[str, str]) -> Decided:
        if self._index.read_only:
            raise ValueError("this node is read-only; take the deletions back at another node, or approve them")
        return Decided(await self._approval.restore())

    async def _expect_deletes(self, query: Mapping[str, str]) -> Decided:
        count = int(_needed(query, "count"))
        self._replica.held_deletes.grant(count)
        log.info("deletions are expected from a peer", count=count)
        return Decided(count)

    async def _versions(self, query: Mapping[str, str]) -> KeptVersions:
        return list_versions(self._index, self._replica.versions, _needed(query, "path"))

    async def _restore_version(self, query: Mapping[str, str]) -> Restored:
        path = _needed(query, "path")
        return await self._recovery.restore_version(path, _needed(query, "id"), query.get("as", path))

    async def _restore_conflict(self, query: Mapping[str, str]) -> Restored:
        return await self._recovery.restore_conflict(_needed(query, "id"), query.get("as", ""))

    async def _discard_conflict(self, query: Mapping[str, str]) -> Decided:
        return Decided(await self._recovery.discard_conflict(_needed(query, "id")))


def _needed(query: Mapping[str, str], name: str) -> str:
    if not query.get(name):
        raise ValueError(f"the query must say {name}=…")
    return query[name]
