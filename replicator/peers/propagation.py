"""Sends canaries: small files that go to each peer as files do, and are timed; no client ever sees them.

A canary waits behind the news on the connection, then for its turn among the paths that the peer has still to settle;
the peer fetches it with a Want of its own, verifies it, makes it durable, gives it its name in ROOT/.tripod/canaries
and commits to its index, and only then says that it has arrived. So it needs what a small file needs. The time is
taken by one clock, the sender's, less half a round trip for the answer.

A balancer has canaries sent, too, and looks for them at the peers, which keep the last few of each.
"""

import asyncio
import secrets
import sqlite3
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Final, assert_never

from cluster.clock import monotonic_s
from cluster.content_id import ContentId, content_id_of
from cluster.durable_file import make_folders_durably, write_durably
from cluster.log import logger
from cluster.publish import Described, Done, FindCanary, PutCanary
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
_KEPT: Final = 8  # of each peer, and of those that were asked for here
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
        self._behind: dict[str, str] = {}  # what goes to a peer next: a peer takes one at a time
        self._asked: deque[str] = deque()
        self._taking: set[str] = set()
        self._here: dict[str, Path] = {}
        self._numbers = dict.fromkeys((_MINE, *self._links), 0)
        self._folder = replica.tree.root / CANARIES
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self) -> None:
        """Send a canary to each peer that has none under way; OSError when it cannot be written here."""
        self._replica.marker.check()
        for peer in self._links:
            self._measures.canary_late.labels(peer=peer).set(self.late_s(peer, monotonic_s()) is not None)
        if not (self._content_id and self._under_way):  # else somebody may have still to fetch the last one
            await self._replica.blocking(make_folders_durably, self._folder)
            content, file = secrets.token_hex(_SIZE_BYTES // 2).encode(), self._folder / _MINE
            await self._replica.blocking(write_durably, file, content)
            offers = self._replica.staging.offers
            offers.pop(self._content_id, None)
            self._content_id = content_id_of(content)
            offers[self._content_id] = file
        for link in self._links.values():
            if link.connected and link.name not in self._under_way:
                self._begin(link, self._content_id)

    async def answer(self, request: PutCanary | FindCanary) -> Described | Done:
        """Send a canary that a balancer asks for, or say whether one is here; OSError, WrongRootError."""
        match request:
            case PutCanary():
                return Described(id=request.id, content_id=await self._put(), copies=1, nodes=len(self._links) + 1)
            case FindCanary():
                return Done(id=request.id, copies=int(await self._is_here(request.content_id)), wanted=0)
            case _:
                assert_never(request)

    async def _put(self) -> ContentId:
        """The newest goes behind one that is under way to a peer, in place of an older one that waits there."""
        self._replica.marker.check()
        file, offers = self._next_file(_MINE), self._replica.staging.offers
        if len(self._asked) == _KEPT:
            offers.pop(self._asked.popleft(), None)
        await self._replica.blocking(make_folders_durably, self._folder)
        content = secrets.token_hex(_SIZE_BYTES // 2).encode()
        await self._replica.blocking(write_durably, file, content)
        content_id = content_id_of(content)
        self._asked.append(content_id)
        offers[content_id] = file
        for link in self._links.values():
            if link.name in self._under_way:
                self._behind[link.name] = content_id
            elif link.connected:
                self._begin(link, content_id)
        return content_id

    async def _is_here(self, content_id: str) -> bool:
        file = self._here.get(content_id)
        if file is None:
            return False
        try:
            return content_id_of(await self._replica.blocking(file.read_bytes)) == content_id
        except OSError as error:
            log.warning("a canary cannot be read back", file=file.name, why=in_a_line(error))
            return False

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
        file = self._next_file(link.name)
        self._here = {here: other for here, other in self._here.items() if other != file}
        await replica.blocking(write_durably, file, bytes(content))
        replica.index.note_canary(link.name, canary.content_id)
        await replica.index.durable()
        self._here[canary.content_id] = file

    def _next_file(self, whose: str) -> Path:
        """The files of one node go round, so that nothing has to be removed."""
        self._numbers[whose] = (self._numbers[whose] + 1) % _KEPT
        return self._folder / f"{whose}.{self._numbers[whose]}"

    def _begin(self, link: PeerLink, content_id: str) -> None:
        self._under_way[link.name] = monotonic_s()
        task = asyncio.create_task(self._time(link, content_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
            behind = self._behind.pop(link.name, "")
        if behind and link.connected:
            self._begin(link, behind)
