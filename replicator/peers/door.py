"""Answers the peers that dial this node: merges what they announce, holds what they prepare, sends what they want."""

import asyncio
import contextlib
import sqlite3
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, assert_never

import msgspec

from cluster.clock import now_ns
from cluster.log import logger
from cluster.replication_settings import Replication
from replicator.core.belief import disbelief
from replicator.core.link_rate import link_of
from replicator.disk.marker import WrongRootError
from replicator.disk.tree import UnstableError
from replicator.index.index import PeerFacts
from replicator.not_yet import NotYetError
from replicator.peers.comparison import Comparing
from replicator.peers.connection import LOST, Connection, PeerError, first_of
from replicator.peers.progress import PeerProgress
from replicator.peers.spreading import Spreading
from replicator.peers.throttle import Throttle
from replicator.peers.wire import (
    PROTOCOL,
    Acked,
    Arrived,
    Arriving,
    AskBlocks,
    Canary,
    Chunk,
    Commit,
    Committed,
    Compare,
    Doubt,
    Entry,
    GivenUp,
    Hello,
    Index,
    Known,
    Ping,
    Pong,
    Prepare,
    PrepareSmall,
    Same,
    Sealed,
    Want,
    WantSmall,
    Welcome,
)
from replicator.replica import Replica
from replicator.transfers.giving import Giving
from replicator.transfers.holding import Holding, in_a_line
from replicator.transfers.installing import settle_prepared
from replicator.transfers.outlines import Outlines

TakeCanary = Callable[[str, Canary, Connection], Coroutine[Any, Any, None]]

_HANDSHAKE_S: Final = 5.0
_MOST_UNDER_WAY: Final = 4096
_NOT_NOW: Final = (OSError, NotYetError, UnstableError, WrongRootError, sqlite3.Error)
"""Why a path cannot be settled now; it will be tried again."""

log = logger(__name__)


class PeerDoor:
    """Where peers come in. Used by the control thread alone."""

    def __init__(self, cluster: str, node: str, peers: frozenset[str], replica: Replica, settings: Replication) -> None:
        self.cluster = cluster
        self.node = node
        self.peers = peers
        self.replica = replica
        self.settings = settings
        self.outlines = Outlines(replica)
        self._throttles: dict[str, Throttle] = {}
        self.trouble: dict[str, str] = {}
        self.told: set[str] = set()
        self.on_complete: Callable[[], None] = lambda: None
        self.on_doubt: Callable[[str], None] = lambda _content_id: None
        self.refusal: Callable[[Hello], str] = lambda _hello: ""
        self.take_canary: TakeCanary = _no_canary
        self.spreading: Spreading | None = None
        self._progress: dict[str, PeerProgress] = {}
        self._answerers: set[Answerer] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, address: str, port: int, tls: ssl.SSLContext) -> None:
        """Listen; OSError when the address cannot be bound."""

        async def come_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self.answer(Connection(reader, writer))

        self._server = await asyncio.start_server(come_in, address, port, ssl=tls)

    async def stop(self) -> None:
        """Stop listening and drop the connections."""
        if self._server is not None:
            self._server.close()
        for answerer in list(self._answerers):
            answerer.connection.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def progressed(self) -> None:
        """Something was settled: there may be more to acknowledge."""
        for answerer in self._answerers:
            answerer.progressed.set()

    def throttle(self, peer: str) -> Throttle:
        """What holds back content that goes to a peer: one for all its connections."""
        if peer not in self._throttles:
            self._throttles[peer] = Throttle(link_of(self.settings.links, self.node, peer))
        return self._throttles[peer]

    def giving(self, peer: str, connection: Connection) -> Giving:
        """What answers the wants of a peer on a connection."""
        way = link_of(self.settings.links, self.node, peer)
        compression = way.compression if way and way.compression else self.settings.compression
        return Giving(self.replica, connection, self.outlines, self.throttle(peer), compression)

    def has_once_told_all(self, peer: str) -> bool:
        """Whether a peer has told us its whole index since we started."""
        return peer in self.told

    def has_told_all(self, peer: str) -> bool:
        """Whether a peer has told us its whole index since it last connected."""
        return any(answerer.told_all for answerer in self._answerers if answerer.peer == peer)

    def let_in(self, newcomer: "Answerer") -> None:
        """A peer has one connection to us, its newest: an older one is left from before it lost its power."""
        for answerer in self._answerers:
            if answerer is not newcomer and answerer.peer == newcomer.peer:
                answerer.connection.close()

    def turn_out(self, peer: str) -> None:
        """A peer that has come in must greet again, for it might not be let in any more."""
        for answerer in self._answerers:
            if answerer.peer == peer:
                answerer.connection.close()

    async def settle(self, paths: Sequence[str]) -> None:
        """Settle to the end, even if the peer is lost meanwhile: between disk and index nothing may be cut off."""
        settling = asyncio.create_task(self._settle(paths))
        self._tasks.add(settling)
        settling.add_done_callback(self._settled)
        await asyncio.shield(settling)

    async def _settle(self, paths: Sequence[str]) -> None:
        done = await settle_prepared(self.replica, paths) if len(paths) > 1 else ()
        for path in paths:
            if path not in done:
                await self.replica.settle(path)

    def _settled(self, settling: "asyncio.Task[None]") -> None:
        """Whoever waits for it hears of its trouble; if nobody does any more, the path is pending and tried again."""
        self._tasks.discard(settling)
        error = None if settling.cancelled() else settling.exception()
        if error is not None and not isinstance(error, _NOT_NOW):
            log.error("a path cannot be settled", exc_info=error)

    def progress(self, peer: str, incarnation: str) -> PeerProgress:
        """How far we are with the index of that incarnation of a peer."""
        facts = self.replica.index.peers.get(peer, PeerFacts())
        if facts.incarnation != incarnation:
            facts = msgspec.structs.replace(facts, incarnation=incarnation, seen=0, held=0)
            self.replica.index.note_peer(peer, facts)
            self._progress.pop(peer, None)
        if peer not in self._progress:
            self._progress[peer] = PeerProgress(facts.seen, facts.held, self.replica.index.pending)
        return self._progress[peer]

    async def answer(self, connection: Connection) -> None:
        """Answer a peer that has connected, until one end is lost."""
        answerer = Answerer(self, connection)
        self._answerers.add(answerer)
        task = asyncio.current_task()
        assert task is not None, "asyncio runs every connection in a task"
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await answerer.run()
        except LOST as error:
            if answerer.peer:
                log.info("peer hung up", peer=answerer.peer, why=str(error) or type(error).__name__)
            else:
                log.warning("a stranger was refused", why=str(error) or type(error).__name__)
        finally:
            answerer.connection.close()
            self._answerers.discard(answerer)


class Answerer:
    """One connection that a peer dialled."""

    def __init__(self, door: PeerDoor, connection: Connection) -> None:
        self.connection = connection
        self.peer = ""
        self.progressed = asyncio.Event()
        self._door = door
        self._replica = door.replica
        self._holding = Holding(door.replica, connection, door.settings.disk_reserve_bytes)
        self._giving: Giving
        self._comparing = Comparing(door.replica.index, connection)
        self._incarnation = ""
        self.told_all = False
        """Whether the peer has told its whole index on this connection."""

    async def run(self) -> None:
        """Answer until the connection ends, with one of LOST."""
        await self._greet()
        lost: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._acknowledge())
                under_way: set[asyncio.Task[None]] = set()

                def spawn(work: Coroutine[Any, Any, None]) -> None:
                    if len(under_way) >= _MOST_UNDER_WAY:
                        work.close()
                        raise PeerError("asks for more at once than any node does")
                    task = tasks.create_task(work)
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)

                while True:
                    await self._handle(await self.connection.receive(), spawn)
        except* LOST as group:
            lost = first_of(group)  # raised in here, some releases of Python would wrap it in a group again
        if lost is not None:
            raise lost

    async def _greet(self) -> None:
        door = self._door
        hello = await self.connection.expect(Hello, _HANDSHAKE_S)
        if hello.cluster != door.cluster or hello.protocol != PROTOCOL:
            raise PeerError(f"speaks protocol {hello.protocol} of cluster {hello.cluster!r}")
        if hello.node not in door.peers or hello.node not in self.connection.names():
            raise PeerError(f"says that it is {hello.node!r}; its certificate is for {sorted(self.connection.names())}")
        self.peer, self._incarnation = hello.node, hello.incarnation
        self._giving = door.giving(self.peer, self.connection)
        refused = door.refusal(hello)
        if refused:
            await self._turn_away(refused)
        door.let_in(self)
        progress = door.progress(self.peer, self._incarnation)
        index = self._replica.index
        held = progress.held(index.pending)
        await index.durable()
        await self.connection.send(
            Welcome(
                node=door.node,
                incarnation=index.incarnation,
                seen=progress.seen,
                held=held,
                now_ns=now_ns(),
                takes_small=True,
            )
        )

    async def _turn_away(self, why: str) -> None:
        incarnation = self._replica.index.incarnation
        await self.connection.send(Welcome(node=self._door.node, incarnation=incarnation, seen=0, held=0, refused=why))
        async with asyncio.timeout(_HANDSHAKE_S):  # to close at once would take the words back
            await self.connection.receive()
        raise PeerError("went on, though its index has missed deletions that nobody remembers")

    async def _handle(self, message: object, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        match message:
            case Ping():
                await self.connection.send(Pong(now_ns=now_ns()))
            case Index():
                self._merge(message)
            case Known(rows=rows):
                if self._door.spreading is not None:  # else it has other connections in its cluster.yaml
                    self._door.spreading.heard(f"{self.peer}:{self._incarnation}", rows)
            case Prepare() | PrepareSmall() | Arriving():
                spawn(self._holding.begin(message, self.peer))
            case Chunk() | Same() | Sealed() | GivenUp():
                await self._holding.take(message)
            case Commit():
                self._believe(message.entries)
                news = [(entry.path, entry.heads) for entry in message.entries]
                self._replica.hear_all(news, self.peer, wake=False)
                # What a Commit told of is not announced again, so it must be known before a later Index is taken.
                progress = self._door.progress(self.peer, self._incarnation)
                progress.took((entry.path for entry in message.entries), progress.seen)
                spawn(self._commit(message))
            case Doubt(content_id=content_id):
                self._door.on_doubt(content_id)
            case AskBlocks() | Want() | WantSmall() | Canary() | Compare():
                spawn(self._answer(message))
            case _:
                raise PeerError(f"sent {type(message).__name__}, which only an answerer sends")

    async def _answer(self, message: AskBlocks | Want | WantSmall | Canary | Compare) -> None:
        match message:
            case AskBlocks():
                await self._giving.tell_blocks(message)
            case Want():
                await self._giving.give(message)
            case WantSmall():
                await self._giving.give_small(message)
            case Canary():
                await self._door.take_canary(self.peer, message, self.connection)
            case Compare():
                await self._comparing.answer(message)
            case _:
                assert_never(message)

    def _believe(self, entries: tuple[Entry, ...]) -> None:
        moment_ns = now_ns()
        for entry in entries:
            wrong = disbelief(entry.path, entry.heads, moment_ns)
            if wrong:
                self._door.trouble[self.peer] = f"{self.peer} announced {wrong}"
                raise PeerError(f"announced {wrong}")

    def _merge(self, message: Index) -> None:
        self._believe(message.entries)
        self._door.trouble.pop(self.peer, None)
        self._replica.hear_all([(entry.path, entry.heads) for entry in message.entries], self.peer)
        progress = self._door.progress(self.peer, self._incarnation)
        progress.took((entry.path for entry in message.entries), message.upto)
        self._note(progress)
        self.progressed.set()
        if message.complete:
            self.told_all = True
            self._door.told.add(self.peer)
            self._door.on_complete()

    def _note(self, progress: PeerProgress) -> int:
        index = self._replica.index
        held = progress.held(index.pending)
        facts = msgspec.structs.replace(index.peers.get(self.peer, PeerFacts()), incarnation=self._incarnation,
                                        seen=progress.seen, held=held)  # fmt: skip
        index.note_peer(self.peer, facts)
        return held

    async def _acknowledge(self) -> None:
        told = (-1, -1)
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                async with asyncio.timeout(1.0):  # unlike wait_for it never swallows a cancellation
                    await self.progressed.wait()
            self.progressed.clear()
            progress = self._door.progress(self.peer, self._incarnation)
            now = (progress.seen, self._note(progress))
            if now != told:
                try:
                    await self._replica.index.durable()
                except sqlite3.Error as error:
                    raise PeerError(f"our index cannot be written: {error}") from error
                await self.connection.send(Acked(seen=now[0], held=now[1]))
                told = now

    def _not_taken(self, entries: tuple[Entry, ...]) -> str:
        """Why some of this is not to be on this node, empty when all is."""
        index = self._replica.index
        for entry in entries:
            if entry.path in index.held:
                return f"the deletion of {entry.path} is held back until an operator approves it"
            if index.excludes(entry.path):
                return f"{entry.path} is not replicated to this node: its cluster.yaml excludes it"
        return ""

    async def _commit(self, message: Commit) -> None:
        problem = ""
        try:
            for entry in message.entries:
                if entry.path not in self._replica.index.pending:
                    await self._replica.rescan(entry.path)  # the index takes it to be there: is it?
            await self._door.settle([entry.path for entry in message.entries])
            await self._replica.index.durable()
            problem = self._not_taken(message.entries)
        except _NOT_NOW as error:
            problem = in_a_line(error)
            log.warning("cannot show a change yet", peer=self.peer, path=message.entries[0].path, why=problem)
            for entry in message.entries:
                if entry.path in self._replica.index.pending:
                    self._replica.wake(entry.path)
        self.progressed.set()
        await self.connection.send(Committed(number=message.number, problem=problem))


async def _no_canary(_peer: str, canary: Canary, connection: Connection) -> None:
    await connection.send(Arrived(number=canary.number, problem="canaries are not taken here"))
