"""Sends canaries: small files that go to each peer as files do, and are timed; no client ever sees them.

A canary waits behind the news on the connection, then for its turn among the paths that the peer has still to settle;
the peer fetches it with a Want of its own, verifies it, makes it durable, gives it its name in ROOT/.tripod/canaries
and commits to its index, and only then says that it has arrived. So it needs what a small file needs. The time is
taken by one clock, the sender's, less half a round trip for the answer.
"""

import asyncio
import secrets
import sqlite3
from collections.abc import Iterable
from typing import Final

from cluster.clock import monotonic_s
from cluster.content_id import content_id_of
from cluster.durable_file import make_folders_durably, write_durably
from cluster.log import logger
from cluster.replication_settings import Replication
from cluster.tree_path import CANARIES
from replicator.core.latencies import Latencies, Summary
from replicator.core.recipe import Run
from replicator.disk.marker import WrongRootError
from replicator.measures import Measures
from replicator.peers.connection import LOST, Connection, PeerError
from replicator.peers.link import PeerLink
from replicator.peers.wire import Arrived, Canary
from replicator.replica import Replica
from replicator.transfers.holding import in_a_line
from replicator.transfers.pulling import pull
from replicator.worker import Worker

_MINE: Final = ".mine"  # no node is called so
_SIZE_BYTES: Final = 4096
_GIVE_UP_S: Final = 600.0

log = logger(__name__)


class Propagation:
    """The canaries of one replicator, both ways. Used by the control thread alone."""

    def __init__(self, replica: Replica, links: Iterable[PeerLink], worker: Worker, measures: Measures,
                 replication: Replication) -> None:  # fmt: skip
        self._replica, self._worker, self._measures, self._replication = replica, worker, measures, replication
        self._links = {link.name: link for link in links}
        self._latencies = {name: Latencies() for name in self._links}
        self._content_id = ""  # of the canary that is offered now
        self._under_way: dict[str, float] = {}
        self._taking: set[str] = set()
        self._folder = replica.tree.root / CANARIES
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self) -> None:
        """Send a canary to each peer that has none under way; OSError when it cannot be written here."""
        self._replica.marker.check()
        for peer in self._links:
            self._measures.canary_late.labels(peer=peer).set(self.late_s(peer, monotonic_s()) is not None)
        if not self._under_way:  # else somebody has still to fetch the last one
            await self._replica.blocking(make_folders_durably, self._folder)
            content, file = secrets.token_hex(_SIZE_BYTES // 2).encode(), self._folder / _MINE
            await self._replica.blocking(write_durably, file, content)
            offers = self._replica.staging.offers
            offers.pop(self._content_id, None)
            self._content_id = content_id_of(content)
            offers[self._content_id] = file
        for link in self._links.values():
            if link.connected and link.name not in self._under_way:
                self._under_way[link.name] = monotonic_s()
                task = asyncio.create_task(self._time(link, self._content_id))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def summary(self, peer: str) -> Summary:
        """How long canaries to a peer took."""
        return self._latencies[peer].summary()

    def late_s(self, peer: str, now_s: float) -> float | None:
        """For how long a canary to a connected peer has been under way, if that is longer than it should; else None."""
        sent_s = self._under_way.get(peer)
        late = sent_s is not None and now_s - sent_s > self._replication.propagation_late_s
        return now_s - sent_s if late and sent_s is not None else None

    def notices(self, now_s: float) -> tuple[str, ...]:
        """Sentences for an operator."""
        late = {peer: self.late_s(peer, now_s) for peer in self._links}
        return tuple(
            f"a canary to {peer} has been under way for {seconds:.0f} s: files written now do not reach it sooner"
            for peer, seconds in late.items() if seconds is not None
        )  # fmt: skip

    async def take(self, peer: str, canary: Canary, connection: Connection) -> None:
        """Take a peer's canary as a file is taken, and say that it is here; a peer has one under way at a time."""
        problem = ""
        if peer in self._taking or peer not in self._links:
            await connection.send(Arrived(number=canary.number, problem="one canary at a time"))
            return
        self._taking.add(peer)
        try:
            await self._worker.turn()
            await self._install(self._links[peer], canary)
        except (*LOST, WrongRootError, sqlite3.Error) as error:
            problem = in_a_line(error)
        finally:
            self._taking.discard(peer)
        await connection.send(Arrived(number=canary.number, problem=problem))

    async def _install(self, link: PeerLink, canary: Canary) -> None:
        replica = self._replica
        replica.marker.check()
        content = bytearray()

        async def take(_offset: int, data: bytes) -> None:
            content.extend(data)

        runs = [Run(0, canary.size_bytes)]
        await pull(link, canary.content_id, runs, take, self._replication.prepare_timeout_s)
        if content_id_of(bytes(content)) != canary.content_id:
            raise PeerError("what came is not what its id says")
        await replica.blocking(make_folders_durably, self._folder)
        await replica.blocking(write_durably, self._folder / link.name, bytes(content))
        replica.index.note_canary(link.name, canary.content_id)
        await replica.index.durable()

    async def _time(self, link: PeerLink, content_id: str) -> None:
        try:
            sent_s = self._under_way[link.name]
            with link.exchange() as exchange:
                await exchange.send(Canary(number=exchange.number, content_id=content_id, size_bytes=_SIZE_BYTES))
                answer = await exchange.answer(_GIVE_UP_S)
            if not isinstance(answer, Arrived) or answer.problem:
                raise PeerError(answer.problem if isinstance(answer, Arrived) else "answered something else")
            latency_s = max(0.0, monotonic_s() - sent_s - link.round_trip_s / 2)
            self._latencies[link.name].add(latency_s)
            self._measures.canary_seconds.labels(peer=link.name).observe(latency_s)
            self._measures.canary_last_seconds.labels(peer=link.name).set(latency_s)
        except LOST as error:
            log.info("a canary did not arrive", peer=link.name, why=in_a_line(error))
            self._measures.canaries_lost.labels(peer=link.name).inc()
        finally:
            del self._under_way[link.name]
