"""Answers the peers that dial this node: merges what they announce, holds what they prepare, sends what they want."""

import asyncio
import contextlib
import errno
import os
import sqlite3
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import msgspec

from cluster.clock import now_ns
from cluster.content_id import ContentHash
from cluster.durable_file import sync_folder
from cluster.log import logger
from cluster.replication_settings import Replication
from cluster.tree_path import on_disk
from replicator.connection import LOST, Connection, PeerError, first_of
from replicator.core.belief import disbelief
from replicator.core.head import Kind
from replicator.index import PeerFacts
from replicator.marker import WrongRootError
from replicator.peer_progress import PeerProgress
from replicator.replica import NotYetError, Replica
from replicator.staging import Held
from replicator.tree import OddEntryError, UnstableError
from replicator.wire import (
    CHUNK_BYTES,
    PROTOCOL,
    Acked,
    Begin,
    Chunk,
    Commit,
    Committed,
    Data,
    Entry,
    Hello,
    Index,
    Ping,
    Pong,
    Prepare,
    Prepared,
    Want,
    Welcome,
)

_HANDSHAKE_S: Final = 5.0
_CHUNK_TIMEOUT_S: Final = 60.0
_CHUNKS_AHEAD: Final = 8
_MAX_PREPARES: Final = 512

log = logger(__name__)


class PeerDoor:
    """Where peers come in. Used by the control thread alone."""

    def __init__(self, cluster: str, node: str, peers: frozenset[str], replica: Replica, settings: Replication) -> None:
        self.cluster = cluster
        self.node = node
        self.peers = peers
        self.replica = replica
        self.settings = settings
        self.trouble: dict[str, str] = {}
        self.on_complete: Callable[[], None] = lambda: None
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

    def has_told_all(self, peer: str) -> bool:
        """Whether a peer has told us its whole index since it last connected."""
        return any(answerer.told_all for answerer in self._answerers if answerer.peer == peer)

    def let_in(self, newcomer: "Answerer") -> None:
        """A peer has one connection to us, its newest: an older one is left from before it lost its power."""
        for answerer in self._answerers:
            if answerer is not newcomer and answerer.peer == newcomer.peer:
                answerer.connection.close()

    async def settle(self, path: str) -> None:
        """Settle to the end, even if the peer is lost meanwhile: between disk and index nothing may be cut off."""
        settling = asyncio.create_task(self.replica.settle(path))
        self._tasks.add(settling)
        settling.add_done_callback(self._tasks.discard)
        await asyncio.shield(settling)

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
        self._chunks: dict[int, asyncio.Queue[bytes]] = {}
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
                while True:
                    await self._handle(await self.connection.receive(), tasks.create_task)
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
        door.let_in(self)
        progress = door.progress(self.peer, self._incarnation)
        index = self._replica.index
        held = progress.held(index.pending)
        await index.durable()
        await self.connection.send(
            Welcome(node=door.node, incarnation=index.incarnation, seen=progress.seen, held=held, now_ns=now_ns())
        )

    async def _handle(self, message: object, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        match message:
            case Ping():
                await self.connection.send(Pong(now_ns=now_ns()))
            case Index():
                self._merge(message)
            case Prepare(number=number) if len(self._chunks) >= _MAX_PREPARES or number in self._chunks:
                await self.connection.send(Prepared(number=number, problem="too many uploads at once"))
            case Prepare(number=number):
                self._chunks[number] = asyncio.Queue(_CHUNKS_AHEAD)
                spawn(self._prepare(message))
            case Chunk(number=number, data=data):
                if number in self._chunks:
                    await self._chunks[number].put(data)
            case Commit():
                self._believe(message.entries)
                spawn(self._commit(message))
            case Want():
                spawn(self._give(message))
            case _:
                raise PeerError(f"sent {type(message).__name__}, which only an answerer sends")

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
        self._replica.hear_all([(entry.path, entry.heads) for entry in message.entries])
        progress = self._door.progress(self.peer, self._incarnation)
        progress.took((entry.path for entry in message.entries), message.upto)
        self._note(progress)
        self.progressed.set()
        if message.complete:
            self.told_all = True
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

    async def _prepare(self, message: Prepare) -> None:
        problem = ""
        try:
            self._replica.marker.check()
            if message.content_id is not None and not await self._is_here(message.path, message.content_id):
                await self._stage(message, message.content_id)
        except (TimeoutError, OSError, NotYetError, WrongRootError, PeerError) as error:
            problem = _line(error)
            log.warning("cannot hold a copy", peer=self.peer, path=message.path, why=problem)
        finally:
            del self._chunks[message.number]
        await self.connection.send(Prepared(number=message.number, problem=problem))

    async def _is_here(self, path: str, content_id: str) -> bool:
        row = self._replica.index.place(path).row
        return row is not None and row.content_id == content_id and await self._replica.is_as_recorded(path)

    async def _stage(self, message: Prepare, content_id: str) -> None:
        replica = self._replica
        free = os.statvfs(replica.tree.staging)
        if free.f_bavail * free.f_frsize < message.size_bytes + self._door.settings.disk_reserve_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        staged = replica.staging.new_file(content_id)
        try:
            if message.data is not None:
                found = await replica.blocking(_write_whole, staged, message.data)
            else:
                await self.connection.send(Begin(number=message.number, offset=0))
                found = await self._receive(message, staged)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        if found != content_id:
            staged.unlink()
            raise PeerError("the content is not what its id says")
        replica.staging.add(Held(content_id, staged))

    async def _receive(self, message: Prepare, staged: Path) -> str:
        content = ContentHash()
        chunks = self._chunks[message.number]
        with staged.open("xb", buffering=0) as file:
            while content.size_bytes < message.size_bytes:
                data = await asyncio.wait_for(chunks.get(), _CHUNK_TIMEOUT_S)
                if not data:
                    raise PeerError("gave up")
                await self._replica.blocking(_append, file.fileno(), data, content)
            await self._replica.blocking(os.fsync, file.fileno())
        await self._replica.blocking(sync_folder, staged.parent)
        return content.content_id()

    async def _commit(self, message: Commit) -> None:
        problem = ""
        try:
            self._replica.hear_all([(entry.path, entry.heads) for entry in message.entries])
            for entry in message.entries:
                if entry.path not in self._replica.index.pending:
                    await self._replica.rescan(entry.path)  # the index takes it to be there: is it?
                await self._door.settle(entry.path)
            await self._replica.index.durable()
        except (OSError, NotYetError, UnstableError, WrongRootError, sqlite3.Error) as error:
            problem = _line(error)
            log.warning("cannot show a change yet", peer=self.peer, path=message.entries[0].path, why=problem)
        self.progressed.set()
        await self.connection.send(Committed(number=message.number, problem=problem))

    async def _give(self, message: Want) -> None:
        try:
            for source in self._sources(message.content_id):
                if await self._give_file(message, source):
                    return
            await self.connection.send(Data(number=message.number, last=True, problem="it is not here"))
        except OSError as error:
            if not self.connection.closed:
                await self.connection.send(Data(number=message.number, last=True, problem=_line(error)))

    def _sources(self, content_id: str) -> list[Path]:
        replica = self._replica
        sources = []
        for path in replica.index.by_content.get(content_id, ()):
            row = replica.index.place(path).row
            with contextlib.suppress(OSError, OddEntryError):
                seen = replica.tree.look(path)
                if row and row.kind is Kind.FILE and seen and seen.row.same_file(row):
                    sources.append(on_disk(replica.tree.root, path))
        kept = [lost.kept for lost in replica.index.conflicts.values() if lost.content_id == content_id and lost.kept]
        return sources + [replica.tree.conflicts / name for name in kept]

    async def _give_file(self, message: Want, source: Path) -> bool:
        try:
            fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            offset = message.offset
            while True:
                data = await self._replica.blocking(os.pread, fd, CHUNK_BYTES, offset)
                offset += len(data)
                last = len(data) < CHUNK_BYTES
                await self.connection.send(Data(number=message.number, data=data, last=last))
                if last:
                    return True
        finally:
            os.close(fd)


def _write_whole(staged: Path, data: bytes) -> str:
    content = ContentHash()
    fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _append(fd, data, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_folder(staged.parent)
    return content.content_id()


def _append(fd: int, data: bytes, content: ContentHash) -> None:
    content.update(data)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _line(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__
