"""What one replicator says of itself: its state, how each peer is, and what an operator should know."""

from typing import Final

from cluster.clock import monotonic_s, now_ns
from cluster.health import CanaryHealth, NodeState, PeerHealth, ReplicatorHealth, ScrubHealth
from cluster.settings import Settings
from replicator.core.catching_up import Teller, still_to_hear
from replicator.core.copies import is_in_sync
from replicator.core.head import winner
from replicator.core.room import notice
from replicator.peers.comparison import Comparison
from replicator.peers.door import PeerDoor
from replicator.peers.link import PeerLink
from replicator.peers.mesh import Mesh
from replicator.peers.propagation import Propagation
from replicator.replica import Replica
from replicator.watching.odd_entries import OddEntries
from replicator.watching.scrub import Scrub
from replicator.watching.sight import Sight
from replicator.worker import Worker

_HEARING_LEASES: Final = 3
_MAX_BACKLOG: Final = 1_000_000
_ALARM_S: Final = 60.0
_COUNT_REST_SHARE: Final = 20


class Condition:
    """How a replicator is. The engine notes here what it meets; used by the control thread alone."""

    def __init__(
        self, settings: Settings, replica: Replica, mesh: Mesh, door: PeerDoor, sight: Sight, worker: Worker
    ) -> None:
        self.wrong_root = ""
        self.broken = ""
        self.started_s: float | None = None
        self.degraded_s = float("-inf")  # when a change was last answered with fewer copies than its policy asks for
        self.odd = OddEntries()
        self.free_bytes: int | None = None  # on the disk of the root, a moment ago
        self.propagation: Propagation | None = None
        self.comparison: Comparison | None = None
        self.scrub: Scrub | None = None
        self._replication = settings.replication
        self._index, self._held_deletes = replica.index, replica.held_deletes
        self._mesh, self._door, self._sight, self._worker = mesh, door, sight, worker
        self._backlog: dict[str, tuple[int, int]] = {}
        self._counted: dict[str, tuple[int, int]] = {}  # between which of our sequences each backlog was counted
        self._count_again_s: dict[str, float] = {}

    def state(self) -> NodeState:
        """Whether it serves."""
        if self.wrong_root or self.broken:
            return NodeState.FAILED
        return NodeState.READY if self.started_s is not None and self._index.facts.joined else NodeState.JOINING

    def to_hear(self) -> tuple[str, ...]:
        """The peers that may yet tell of what is new."""
        if self.started_s is None:
            return ()
        tellers = [
            Teller(name=link.name, connected_s=link.connected_s, told_all=self._has_told(link))
            for link in self._mesh.links
        ]
        return still_to_hear(tellers, self.started_s, monotonic_s(), _HEARING_LEASES * self._replication.lease_s)

    def _has_told(self, link: PeerLink) -> bool:
        """A peer that told all and is gone has nothing new before it is back: nobody need wait for it meanwhile."""
        is_gone = link.connected_s is None
        return self._door.has_told_all(link.name) or (is_gone and self._door.has_once_told_all(link.name))

    def health(self) -> ReplicatorHealth:
        """The health document."""
        index = self._index
        return ReplicatorHealth(
            node=index.node,
            incarnation=index.incarnation,
            state=self.state(),
            sequence=index.clock.sequence,
            files=index.live_files,
            conflicts=len(index.open_conflicts()),
            wanted_files=len(index.pending),
            watching=self._sight.is_watching,
            why_blind=self._sight.why_blind,
            blind_for_s=self._sight.blind_for_s(monotonic_s()),
            peers=tuple(self._peer_health(link) for link in self._mesh.links),
            to_hear=self.to_hear(),
            held_deletes=len(index.held),
            scrub=self.scrub.health(now_ns()) if self.scrub else ScrubHealth(),
            notices=self._notices(),
        )

    def count_backlog(self, link: PeerLink) -> tuple[int, int]:
        """Count anew what the peer is known to lack, for the health document too: entries and bytes."""
        between = link.facts.acked, self._index.durable_sequence
        began_s = monotonic_s()
        if self._counted.get(link.name) != between and began_s >= self._count_again_s.get(link.name, 0.0):
            lacking = self._index.announcements(link.facts.acked, _MAX_BACKLOG)
            heads = (winner(self._index.place(path).heads) for _, path in lacking)
            self._backlog[link.name] = len(lacking), sum(head.size_bytes for head in heads if head)
            self._counted[link.name] = between
            now_s = monotonic_s()  # a large backlog takes its time, and changes all the while
            self._count_again_s[link.name] = now_s + _COUNT_REST_SHARE * (now_s - began_s)
        return self._backlog[link.name]

    def _notices(self) -> tuple[str, ...]:
        links = self._mesh.links
        reserve_bytes = self._replication.disk_reserve_bytes
        room = notice(self.free_bytes, reserve_bytes) if self.free_bytes is not None else ""
        notices = [text for text in (self.wrong_root, self.broken, room) if text]
        notices += [f"{link.name} is not connected: {link.trouble}" for link in links if not link.connected]
        notices += [
            f"the clock differs from that of {link.name} by minutes: check both"
            for link in links
            if link.clock_ahead_ns is not None and not link.clock_agrees(now_ns())
        ]
        notices += self._door.trouble.values()
        notices += self._sight.notices(monotonic_s())
        notices += self._held_deletes.notices()
        notices += self.scrub.notices() if self.scrub else ()
        notices += self.propagation.notices(monotonic_s()) if self.propagation else ()
        if monotonic_s() - self.degraded_s < _ALARM_S:
            notices.append("in the last minute changes were answered with fewer copies than their policy asks for")
        notices += self.odd.notices()
        notices += self._index.namesakes.notices()
        notices += self._worker.notices()
        return tuple(notices)

    def _peer_health(self, link: PeerLink) -> PeerHealth:
        view = link.view(monotonic_s())
        compared = self.comparison.outcomes.get(link.name) if self.comparison else None
        files, size_bytes = self._backlog.get(link.name, (0, 0))
        return PeerHealth(
            peer=link.name,
            connected=link.connected,
            in_sync=is_in_sync(view, self._replication.lease_s),
            backlog_files=files,
            backlog_bytes=size_bytes,
            heard_s_ago=round(view.heard_ago_s, 3) if link.connected else None,
            canary=self._canary_health(link.name),
            compared_s_ago=round(monotonic_s() - compared.at_s, 1) if compared else None,
            differing=compared.folders if compared else 0,
            limit_bytes_per_s=self._door.throttle(link.name).limit,
        )

    def _canary_health(self, peer: str) -> CanaryHealth:
        if self.propagation is None:
            return CanaryHealth()
        times = self.propagation.summary(peer)
        late_s = self.propagation.late_s(peer, monotonic_s())
        return CanaryHealth(last_s=times.last_s, p50_s=times.p50_s, p99_s=times.p99_s, late_s=late_s)
