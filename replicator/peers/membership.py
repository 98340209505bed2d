"""Forgets tombstones that every member has, without waiting for ever for one that is away, removed or dead.

A distant member, which this node has no link with, is heard of over others. While no link stands nothing is heard of
it, and that is not its silence.

Who comes back after one that it never had was forgotten may not go on with its index: it would bring back what was
deleted. It is told so in the greeting, and joins as new.
"""

from collections.abc import Callable, Mapping, Sequence
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

    def __init__(
        self,
        index: Index,
        links: Sequence[PeerLink],
        replication: Replication,
        distant: Mapping[str, Callable[[], int]] | None = None,
    ) -> None:
        """`distant` says of each distant member up to which of our sequences it is known to have heard of all."""
        self._index = index
        self._links = links
        self._distant = distant or {}
        self._patience_s = float(replication.tombstone_days * _DAY_S)
        self._silent_s = {name: self._facts(name).silent_s for name in (*(link.name for link in links), *self._distant)}
        self._looked_s: float | None = None
        self._looked_upto = index.durable_sequence  # by the last look there was so much to hear of
        self.on_expelled: Callable[[str], None] = lambda _peer: None

    def tick(self, now_s: float, now_ns: int) -> None:
        """Count who is silent at the monotonic moment `now_s`, and forget what may be forgotten."""
        elapsed_s = now_s - self._looked_s if self._looked_s is not None else 0.0
        self._looked_s = now_s
        for link in self._links:
            self._count(link.name, 0.0 if link.connected else self._silent_s[link.name] + elapsed_s)
        for name, heard_upto in self._distant.items():
            self._hear_of(name, heard_upto(), elapsed_s)
        acked = {link.name: link.facts.acked for link in self._links}
        members = [
            Member(name=name, acked=acked.get(name, self._facts(name).heard), silent_s=silent_s)
            for name, silent_s in self._silent_s.items()
        ]
        self._looked_upto = self._index.durable_sequence
        upto = forgettable(members, self._patience_s, self._index.durable_sequence)
        forgotten = self._index.forget_tombstones(upto, now_ns - int(self._patience_s) * 10**9)
        if forgotten:
            self._expel(forgotten, now_ns)

    def refusal(self, hello: Hello) -> str:
        """Why the index of a peer that greets may not go on, empty when it may: then it is waited for again."""
        facts = self._facts(hello.node)
        known = Acquaintance(incarnation=facts.incarnation, expelled_ns=facts.expelled_ns)
        if is_stale(known, hello.incarnation, hello.joined_ns):
            return STALE
        if facts.expelled_ns:
            self._index.note_peer(hello.node, msgspec.structs.replace(facts, expelled_ns=0))
        return ""

    def _facts(self, name: str) -> PeerFacts:
        return self._index.peers.get(name, PeerFacts())

    def _hear_of(self, name: str, heard: int, elapsed_s: float) -> None:
        """It is there when it has heard of more than before, and nobody knows better while there is no more to hear."""
        facts = self._facts(name)
        is_there = heard > facts.heard or max(heard, facts.heard) >= self._looked_upto
        if heard > facts.heard:
            self._index.note_peer(name, msgspec.structs.replace(facts, heard=heard))
        cut_off = not any(link.connected for link in self._links)
        self._count(name, 0.0 if is_there else self._silent_s[name] + (0.0 if cut_off else elapsed_s))

    def _count(self, name: str, silent_s: float) -> None:
        self._silent_s[name] = silent_s
        facts = self._facts(name)
        if (silent_s == 0.0 and facts.silent_s) or silent_s - facts.silent_s > _NOTE_S:
            self._index.note_peer(name, msgspec.structs.replace(facts, silent_s=silent_s))

    def _expel(self, forgotten: int, now_ns: int) -> None:
        for name in {*self._index.peers, *self._silent_s}:
            facts = self._facts(name)
            if max(facts.acked, facts.heard) < forgotten and not facts.expelled_ns:
                log.warning("deletions are forgotten that this node never had: it must join as new", peer=name)
                self._index.note_peer(name, msgspec.structs.replace(facts, expelled_ns=now_ns))
                self.on_expelled(name)
