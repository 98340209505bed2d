"""One replicator without its addresses: what it remembers, moves and heals, and when it does so."""

import asyncio
import contextlib
import functools
import math
import random
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from cluster.clock import monotonic_s, now_ns, now_s
from cluster.log import logger
from cluster.settings import Settings
from replicator.core.copies import is_in_sync
from replicator.core.dirty import SETTLE_S
from replicator.core.room import Room, low_bytes, room_of
from replicator.core.runs import LEAP_BITS
from replicator.disk.marker import Mark, Marker, WrongRootError
from replicator.disk.staging import Staging
from replicator.disk.tree import Sighting, Tree, UnstableError
from replicator.index.index import Index
from replicator.measures import Measures
from replicator.not_yet import NotYetError
from replicator.operators.condition import Condition
from replicator.operators.lookups import Lookups
from replicator.peers.comparison import Comparison
from replicator.peers.door import PeerDoor
from replicator.peers.link import Dial, PeerLink, PeerSite
from replicator.peers.membership import Membership
from replicator.peers.mesh import Mesh
from replicator.peers.propagation import Propagation
from replicator.peers.spreading import Spreading
from replicator.publish.publishing import Publishing
from replicator.replica import Replica
from replicator.restart import expect_doubles_to_go, replay_intents
from replicator.selecting import follow_selection
from replicator.transfers.fetching import Fetching
from replicator.transfers.intake import Intake
from replicator.watching.scan import TOGETHER, Scan, differing
from replicator.watching.scrub import Scrub
from replicator.watching.sight import Sight
from replicator.watching.watch import Watch
from replicator.worker import Worker

_TICK_S: Final = 1.0
_DIRTY_S: Final = 0.1
_QUIET_S: Final = 0.5
_BLIND_SCAN_S: Final = 10.0
_SCAN_REST_SHARE: Final = 20
_JOIN_ALONE_S: Final = 5.0
_JOIN_S: Final = 120.0

log = logger(__name__)


class Engine:
    """One replicator, whatever it talks through. Used by the control thread (the event loop) alone.

    `dial` reaches a peer; `listen` is set before `work` and lets the peers in.
    """

    def __init__(self, settings: Settings, node: str, index: Index, watch: Watch, dial: Dial) -> None:
        mine = settings.nodes[node]
        replication = settings.replication
        self._settings, self._node, self._mine, self._replication = settings, node, mine, replication
        self.measures = Measures()
        self.listen: Callable[[], Awaitable[None]] = _nobody_comes
        self._tree = Tree(mine.root, replication.modes)
        self._index = index
        index.keep_history(replication.history_entries)
        self._marker = Marker(mine.root, Mark(cluster=settings.cluster.name, node=node, incarnation=index.incarnation))
        self._staging = Staging(self._tree.staging)
        self.replica = Replica(index, self._tree, self._marker, self._staging, replication)
        peers = settings.peers_of(node)
        self.door = PeerDoor(settings.cluster.name, node, peers, self.replica, replication)
        self.mesh = Mesh(
            [self._link(peer, dial) for peer in sorted(peers)], self._staging, replication, peers & settings.writers
        )
        fetching = Fetching(self.mesh.links, self.replica, self.door.outlines, replication)
        self.replica.fetch, self.replica.build = fetching.fetch, fetching.build
        self._worker = Worker(self.replica, Intake(self.replica, self.mesh.links, replication), self.progressed)
        self.lookups = Lookups(self.replica, self.mesh, self._worker)
        self.replica.wake = self._worker.wake
        for link in self.mesh.links:
            link.on_change = self._worker.retry
            link.on_disowned = self._disown
        self.replica.on_disowned = self._disown
        self._membership = self._member_watch()
        self.door.refusal, self._membership.on_expelled = self._membership.refusal, self.door.turn_out
        self.propagation = Propagation(self.replica, self.mesh.links, self._worker, self.measures, replication)
        self.door.take_canary = self.propagation.take
        self.comparison = Comparison(index, self.mesh.links, self.measures, self.door.has_told_all)
        self.scrub = Scrub(self.replica, self.measures, replication)
        self.door.on_doubt = self.scrub.doubt
        self._watch = watch
        self._sight = Sight(watch, self.replica, self.measures, replication.canary_interval_s, index.folders)
        self._marked = asyncio.Event()
        self._scan_wanted = asyncio.Event()
        self._scan = Scan(self.replica, watch, missing_is_deleted=replication.missing_at_scan == "delete")
        self.condition = Condition(settings, self.replica, self.mesh, self.door, self._sight, self._worker)
        self.condition.propagation, self.condition.comparison = self.propagation, self.comparison
        self.condition.scrub = self.scrub
        self.publishing = Publishing(self.replica, self.mesh, settings, self.condition, self.measures, self.propagation)
        self._complete = asyncio.Event()
        self.door.on_complete = self._complete.set

    async def work(self) -> None:
        """Serve until cancelled; OSError when the peers' address cannot be bound."""
        await self._claim_root()
        self._index.begin_run(secrets.randbits(LEAP_BITS))
        self._tree.prepare()
        follow_selection(self._index, self._replication)
        self._index.read_only = self._mine.read_only
        unclean = not self._index.is_new and not self._index.facts.clean_stop
        intents = await replay_intents(self.replica)
        if unclean:
            log.warning("the last run was cut off; its intents are replayed", intents=intents)
        await expect_doubles_to_go(self.replica)
        await self.replica.blocking(self._staging.start)
        await self.replica.versions.sweep(self._staging.files)
        await self.replica.conflicts.sweep()
        self._index.note(msgspec.structs.replace(self._index.facts, clean_stop=False))
        replication = self._replication
        await self.listen()
        self.condition.started_s = monotonic_s()
        self._worker.retry()
        async with asyncio.TaskGroup() as tasks:
            for link in self.mesh.links:
                tasks.create_task(link.run())
            tasks.create_task(self._worker.run())
            tasks.create_task(self._every(_TICK_S, self._tick))
            await self._join()
            tasks.create_task(self._follow_for_ever())
            tasks.create_task(self._every(self._replication.canary_interval_s, self._sight.check))
            tasks.create_task(self._scan_for_ever())
            if replication.propagation_interval_s:
                tasks.create_task(self._every(replication.propagation_interval_s, self.propagation.send))
            tasks.create_task(self._every(_TICK_S, self.scrub.run))
            if replication.compare_interval_s:
                tasks.create_task(self._compare_for_ever(replication.compare_interval_s))

    async def _claim_root(self) -> None:
        """Wait until the root is the one that the index describes."""
        while True:
            try:
                self._marker.claim(known=self._index.facts.marked)
            except WrongRootError as error:
                if not self.condition.wrong_root:
                    log.warning("the root is not used", why=str(error))
                self.condition.wrong_root = str(error)
                await asyncio.sleep(_TICK_S)
                continue
            self.condition.wrong_root = ""
            if not self._index.facts.marked:
                self._index.note(msgspec.structs.replace(self._index.facts, marked=True))
                await self._index.durable()
            return

    async def _join(self) -> None:
        """A replica without memory hears a peer's whole index before it takes in what lies in its root."""
        if self._index.facts.joined:
            await self._sight.start()
            await self._guarded(self.scan_all)
            return
        await self._hear_a_peer()
        await self._sight.start()
        await self._guarded(self.scan_all)
        self._index.note(msgspec.structs.replace(self._index.facts, joined=True, joined_ns=now_ns(), imported=True))
        await self._index.durable()
        log.info("joined", heard=self._complete.is_set(), paths=len(self._index.places))

    async def _hear_a_peer(self) -> None:
        """Wait for a whole index, while there is a peer that can be expected to send one."""
        started_s = monotonic_s()
        while self.mesh.links and not self._complete.is_set():
            connected = any(link.connected for link in self.mesh.links)
            is_over = monotonic_s() - started_s > (_JOIN_S if connected else _JOIN_ALONE_S)
            if is_over and not self._mine.read_only:  # which would take all that it has for strays
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):  # unlike wait_for it never swallows a cancellation
                    await self._complete.wait()

    async def _every(self, interval_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._guarded(work)
            await asyncio.sleep(interval_s)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """A wrong root or a broken index stops all changes, not the program: the health document must say so."""
        try:
            await work()
        except WrongRootError as error:
            if not self.condition.wrong_root:
                log.warning("the root is not used", why=str(error))
            self.condition.wrong_root = str(error)
        except sqlite3.Error as error:
            if not self.condition.broken:
                log.warning("the index cannot be written", why=str(error))
            self.condition.broken = f"the index cannot be written: {error}; is the disk full? It is tried again"
        except OSError as error:
            log.warning("housekeeping failed", why=str(error))

    async def _tick(self) -> None:
        self._marker.check()
        if self.condition.wrong_root:
            self.condition.wrong_root = ""
            log.info("the root is back")
            self._watch.mark_everything()
        self._worker.retry_some()
        self._staging.expire(now_s(), self._replication.staged_expiry_s)
        self._membership.tick(monotonic_s(), now_ns())
        if any(link.clock_agrees(now_ns()) for link in self.mesh.links):
            self._index.correct_clock(now_ns())
        await self._keep_room()
        await self.replica.conflicts.limit(self._replication.conflict_store_bytes)
        for link in self.mesh.links:
            self.measures.backlog.labels(peer=link.name).set(self.condition.count_backlog(link)[0])
            in_sync = is_in_sync(link.view(monotonic_s()), self._replication.lease_s)
            self.measures.in_sync.labels(peer=link.name).set(in_sync)
        self.scrub.tidy()
        self.measures.heads.set(self._index.heads)
        self.measures.wanted.set(len(self._index.pending))
        self.measures.missing.set(len(self._worker.missing))
        self.measures.conflicts.set(len(self._index.open_conflicts()))
        self.progressed()
        await self._index.durable()
        self.condition.broken = ""

    async def _keep_room(self) -> None:
        """What is kept for good measure goes: what is too old or too much, and all of it where space is short."""
        replication, staging = self._replication, self._staging
        low = low_bytes(replication.disk_reserve_bytes)
        is_short = await self.replica.blocking(staging.free_bytes) < low and not staging.make_room(low)
        await self.replica.versions.limit(short_of_space=is_short)
        free_bytes = await self.replica.blocking(staging.free_bytes)
        is_full = room_of(free_bytes, replication.disk_reserve_bytes) is Room.FULL
        staging.partials.limit(now_s(), 0 if is_full else replication.partials_bytes, self._index.is_live)
        self.condition.free_bytes = free_bytes

    def progressed(self) -> None:
        """There may be more to acknowledge and to announce."""
        self.door.progressed()
        self.mesh.announce()

    async def _follow_for_ever(self) -> None:
        self._watch.wake = functools.partial(_wake, asyncio.get_running_loop(), self._marked)
        while True:
            await self._guarded(self._follow_marks)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DIRTY_S if self._watch.is_marked else _TICK_S):
                    await self._marked.wait()
                self._marked.clear()
                await asyncio.sleep(SETTLE_S)

    async def _follow_marks(self) -> None:
        dirty = self._watch.take(_QUIET_S)
        if dirty.everything:
            self._scan_wanted.set()
        for folder in dirty.folders:
            await self._scan.run(folder)
        rows = {path: self._index.place(path).row for path in dirty.paths}
        changed = await self.replica.blocking(differing, self._tree, rows) if rows else {}
        gone = [path for path in dirty.paths if path in changed and dirty.paths[path].deleted]
        there = {path: seen for path, seen in changed.items() if not dirty.paths[path].deleted}
        come = {path: seen for path, seen in there.items() if path not in self._index.folders}
        await self._follow_all(come)  # before what went: peers must not lose what only moves
        await self._scan.delete(gone, list(come))
        await self._follow_all({path: seen for path, seen in there.items() if path not in come})
        if changed or dirty.folders:
            self.progressed()

    async def _follow_all(self, found: Mapping[str, Sighting | Exception | None]) -> None:
        paths = list(found)
        for start in range(0, len(paths), TOGETHER):
            some = {path: found[path] for path in paths[start : start + TOGETHER]}
            for path in await self._scan.take_in_small(some):
                await self._follow(path)
            self.progressed()

    async def _follow(self, path: str) -> None:
        place = self._index.place(path)
        try:
            await self.replica.rescan(path)
            row = self._index.place(path).row
            if row is not None and row.kind.value == "directory" and place.row is None:
                await self._scan.run(path)
        except UnstableError:
            self._watch.mark(path)
        except (NotYetError, OSError) as error:
            log.warning("cannot be replicated", path=path, why=str(error))

    async def _scan_for_ever(self) -> None:
        """Scan when it is due, when it is wanted, and as often as it can be borne while nothing is watched."""
        chance = random.Random(self._index.incarnation)
        took_s = 0.0
        while True:
            rest_s = self._replication.scan_interval_s * chance.uniform(0.75, 1.25)
            if not self._sight.is_watching:
                rest_s = min(rest_s, max(_BLIND_SCAN_S, _SCAN_REST_SHARE * took_s))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest_s):
                    await self._scan_wanted.wait()
            self._scan_wanted.clear()
            began_s = monotonic_s()
            await self._guarded(functools.partial(self.scan_all, self._replication.scan_entries_per_s))
            took_s = monotonic_s() - began_s

    async def _compare_for_ever(self, interval_s: float) -> None:
        chance = random.Random(self._index.incarnation)  # so that not all nodes compare at once
        while True:
            await asyncio.sleep(interval_s * chance.uniform(0.75, 1.25))
            await self._guarded(self.comparison.run)

    async def scan_all(self, entries_per_s: float = math.inf) -> None:
        """Look at the whole root and follow what is found."""
        began_s = monotonic_s()
        self.measures.rescans.inc()
        self.condition.odd = await self._scan.run(entries_per_s=entries_per_s)
        self._sight.scanned(began_s)
        self.progressed()

    async def close(self) -> None:
        """Drop the peers, finish the disk work under way, and remember that the end was clean."""
        await self.door.stop()
        await self.replica.blocking(self._watch.stop)
        self.replica.close()
        self.scrub.close()
        self._index.note(msgspec.structs.replace(self._index.facts, clean_stop=True))
        self._index.close()

    def _disown(self, why: str) -> None:
        """This index may not go on: change nothing any more, and say why."""
        self.condition.wrong_root = why
        self._marker.disown(why)
        for link in self.mesh.links:
            link.give_up()

    def _member_watch(self) -> Membership:
        """Of the peers over their links, and of members that are none over what is told of them."""
        distant = sorted(self._settings.nodes.keys() - self.door.peers - {self._node})
        if self._replication.mode != "connections":
            return Membership(self._index, self.mesh.links, self._replication)
        spreading = Spreading(self._index, frozenset(self._settings.nodes))
        self.door.spreading = spreading
        for link in self.mesh.links:
            link.spreading = spreading
        heard = {name: functools.partial(spreading.heard_upto, name) for name in distant}
        return Membership(self._index, self.mesh.links, self._replication, heard)

    def _link(self, peer: str, dial: Dial) -> PeerLink:
        theirs = self._settings.nodes[peer]
        site = PeerSite(
            cluster=self._settings.cluster.name,
            node=self._node,
            address=self._mine.replicator_host,
            peer=peer,
            peer_address=theirs.replicator_host,
            peer_port=theirs.peer_port,
        )
        return PeerLink(site, self._index, dial, self._replication)


async def _nobody_comes() -> None:
    """No address: peers cannot come in."""


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """Set an event of the control thread, from another one."""
    with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
        loop.call_soon_threadsafe(event.set)
