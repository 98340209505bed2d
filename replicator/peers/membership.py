"""Forgets tombstones that every member has, without waiting for ever for one that is away, removed or dead.

Who comes back after one that it never had was forgotten may not go on with its index: it would bring back what was
deleted. It is told so in the greeting, and joins as new.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from cluster.log import logger
from cluster.replication_settings import Replication
from replicator.core.membership import Acquaintance, Member, forgettable, is_stale
from replicator.disk.marker import STALE
from replicator.index.index import Index, PeerFacts
from replicator.peers.link import PeerLink
from replicator.peers.wire import Hello

_DAY_S: Final = 86_400
_NOTE_S: Final = 3600.0

log = logger(__name__)


class Membership:
    """Used by the control thread alone."""

    def __init__(self, index: Index, links: Sequence[PeerLink], replication: Replication) -> None:
        self._index = index
        self._links = links
        self._patience_s = float(replication.tombstone_days * _DAY_S)
        self._silent_s = {link.name: link.facts.silent_s for link in links}
        self._looked_s: float | None = None

    def tick(self, now_s: float, now_ns: int) -> None:
        """Count who is silent at the monotonic moment `now_s`, and forget what may be forgotten."""
        elapsed_s = now_s - self._looked_s if self._looked_s is not None else 0.0
        self._looked_s = now_s
        for link in self._links:
            self._count(link, elapsed_s)
        members = [
            Member(name=link.name, acked=link.facts.acked, silent_s=self._silent_s[link.name]) for link in self._links
        ]
        upto = forgettable(members, self._patience_s, self._index.durable_sequence)
        forgotten = self._index.forget_tombstones(upto, now_ns - int(self._patience_s) * 10**9)
        if forgotten:
            self._expel(forgotten, now_ns)

    def refusal(self, hello: Hello) -> str:
        """Why the index of a peer that greets may not go on, empty when it may: then it is waited for again."""
        facts = self._index.peers.get(hello.node, PeerFacts())
        known = Acquaintance(incarnation=facts.incarnation, expelled_ns=facts.expelled_ns)
        if is_stale(known, hello.incarnation, hello.joined_ns):
            return STALE
        if facts.expelled_ns:
            self._index.note_peer(hello.node, msgspec.structs.replace(facts, expelled_ns=0))
        return ""

    def _count(self, link: PeerLink, elapsed_s: float) -> None:
        silent_s = 0.0 if link.connected else self._silent_s[link.name] + elapsed_s
        self._silent_s[link.name] = silent_s
        noted_s = link.facts.silent_s
        if (silent_s == 0.0 and noted_s) or silent_s - noted_s > _NOTE_S:
            self._index.note_peer(link.name, msgspec.structs.replace(link.facts, silent_s=silent_s))

    def _expel(self, forgotten: int, now_ns: int) -> None:
        for name in {*self._index.peers, *self._silent_s}:
            facts = self._index.peers.get(name, PeerFacts())
            if facts.acked < forgotten and not facts.expelled_ns:
                log.warning("deletions are forgotten that this node never had: it must join as new", peer=name)
                self._index.note_peer(name, msgspec.structs.replace(facts, expelled_ns=now_ns))
