"""The connection that this node dials to one peer: announces the index, and asks for copies."""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

import msgspec

from cluster.clock import monotonic_s
from cluster.log import logger
from cluster.replication_settings import Replication
from replicator.core.copies import PeerView
from replicator.core.hybrid_clock import MAX_DRIFT_NS
from replicator.core.knowledge import Rows
from replicator.disk.marker import ROLLED_BACK, STALE
from replicator.index.index import Index, PeerFacts
from replicator.peers.connection import LOST, Connection, PeerError, first_of
from replicator.peers.exchange import Exchange
from replicator.peers.spreading import Spreading
from replicator.peers.wire import (
    MAX_INDEX_ENTRIES,
    PROTOCOL,
    Acked,
    Arrived,
    Asked,
    Begin,
    Blocks,
    Busy,
    Commit,
    Committed,
    Compared,
    Data,
    Doubt,
    Entry,
    Hello,
    Known,
    Ping,
    Pong,
    Prepared,
    Small,
    SmallFile,
    Taken,
    Welcome,
)
from replicator.peers.wire import Index as IndexMessage
from replicator.transfers.preparing import Offer, prepare, prepare_small

_GATHER_S: Final = 0.01
_SPREAD_S: Final = 1.0
_HANDSHAKE_S: Final = 5.0
_MAX_ENTRIES_BYTES: Final = 2 << 20

log = logger(__name__)


class PeerSite(msgspec.Struct, frozen=True):
    """Where a peer is, and who dials it from where."""

    cluster: str
    node: str
    address: str
    peer: str
    peer_address: str
    peer_port: int


Dial = Callable[[PeerSite], Awaitable[Connection]]
"""Connects to a peer; one of LOST when it cannot be reached."""


def tls_dialler(tls: ssl.SSLContext) -> Dial:
    """Dials with this node's certificate."""

    async def dial(site: PeerSite) -> Connection:
        reader, writer = await asyncio.open_connection(
            site.peer_address,
            site.peer_port,
            ssl=tls,
            server_hostname=site.peer,
            local_addr=(site.address, 0),
        )
        return Connection(reader, writer)

    return dial


class PeerLink:
    """One peer, as this node uses it. Used by the control thread alone."""

    def __init__(self, site: PeerSite, index: Index, dial: Dial, replication: Replication) -> None:
        self.site = site
        self.name = site.peer
        self.trouble = ""
        self.clock_ahead_ns: int | None = None  # of the peer's clock before our monotonic clock, when it last said
        # Set before the cancellation: a TaskGroup whose child fails in that moment swallows it (before Python 3.13),
        # and a peer is often lost just when this node ends too.
        self.ending = False
        self._index = index
        self._dial = dial
        self._replication = replication
        self._connection: Connection | None = None
        self._numbers = itertools.count(1)
        self._exchanges: dict[int, Exchange] = {}
        self._news = asyncio.Event()
        self._told: dict[str, int] = {}  # paths that a Commit told of on this connection, with their sequence
        self._suspect = False
        self._takes_small = False
        self.connected_s: float | None = None  # since when the connection stands
        self.round_trip_s = 0.0  # of the last Ping; what the peer has to do before it answers is in it
        self.heard_upto = 0  # the sequence of ours up to which our news is in the peer's index
        self._pinged_s = 0.0
        self._spread_s = float("-inf")
        self.spreading: Spreading | None = None  # where every two nodes have a link, nobody need tell of others
        self.on_change: Callable[[], None] = lambda: None
        self.on_disowned: Callable[[str], None] = lambda _why: None

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._connection is not None

    @property
    def facts(self) -> PeerFacts:
        """What is known of the peer."""
        return self._index.peers.get(self.name, PeerFacts())

    def view(self, now_s: float) -> PeerView:
        """How the peer looks at the monotonic moment `now_s`."""
        heard_ago_s = now_s - self._connection.heard_s if self._connection else float("inf")
        return PeerView(name=self.name, connected=self.connected, heard_ago_s=heard_ago_s, suspect=self._suspect)

    def clock_agrees(self, now_ns: int) -> bool:
        """Whether the peer's wall clock is known, and shows about the same as ours."""
        if self.clock_ahead_ns is None:
            return False
        return abs(self.clock_ahead_ns + int(monotonic_s() * 1e9) - now_ns) <= MAX_DRIFT_NS

    def announce(self) -> None:
        """There may be something new in the index."""
        self._news.set()

    async def tell(self, message: IndexMessage | Doubt) -> None:
        """Send what nobody answers; OSError when the connection is gone."""
        await self._send(message)

    def give_up(self) -> None:
        """Dial no more: another program may have the right to our name, and a peer has one connection of each name."""
        self.ending = True
        if self._connection is not None:
            self._connection.close()

    async def run(self) -> None:
        """Keep a connection to the peer until cancelled."""
        while True:
            try:
                await self._converse()
            except LOST as error:
                if self.ending:
                    return
                trouble = str(error) or type(error).__name__
                if trouble != self.trouble:
                    log.warning("peer lost", peer=self.name, why=trouble)
                self.trouble = trouble
            await asyncio.sleep(self._replication.reconnect_s)

    async def prepare(self, path: str, offer: Offer | None, timeout_s: float) -> None:
        """Have the peer hold the content, durable and hidden; PeerError, OSError or TimeoutError when it does not.

        `timeout_s` bounds each step: the peer's answer, and each chunk on its way.
        """
        await prepare(self, path, offer, timeout_s, self._replication.inline_bytes)

    async def prepare_small(self, files: Sequence[SmallFile], timeout_s: float) -> None:
        """As `prepare` of each of these files, all at once; PeerError too where the peer is of an older release."""
        if not self._takes_small:
            raise PeerError("holds one upload at a time")
        await prepare_small(self, files, timeout_s)

    async def commit(self, entries: tuple[Entry, ...], timeout_s: float) -> None:
        """Have the peer show what it prepared; PeerError, OSError or TimeoutError when it does not say that it did."""
        for part in _parts(entries):
            with self.exchange() as exchange:
                places = [(entry, self._index.place(entry.path)) for entry in part]
                # What became of a path since the entries were gathered is news yet.
                self._told |= {entry.path: now.announced for entry, now in places if now.heads == entry.heads}
                await exchange.send(Commit(number=exchange.number, entries=part))
                answer = await exchange.answer(timeout_s)
                if not isinstance(answer, Committed) or answer.problem:
                    raise PeerError(answer.problem if isinstance(answer, Committed) else "answered something else")

    @contextlib.contextmanager
    def exchange(self) -> Iterator[Exchange]:
        """A new exchange with the peer, which ends with the block."""
        number = next(self._numbers)
        self._exchanges[number] = Exchange(self.name, number, self._send, self._suspected)
        try:
            yield self._exchanges[number]
        finally:
            del self._exchanges[number]

    async def _converse(self) -> None:
        connection = await asyncio.wait_for(self._dial(self.site), _HANDSHAKE_S)
        lost: BaseException | None = None
        try:
            welcome = await self._greet(connection)
            self._told.clear()
            if self.ending:
                raise PeerError("given up meanwhile")
            self._connection, self._suspect, self.trouble = connection, False, ""
            self.connected_s = monotonic_s()
            log.info("peer connected", peer=self.name, incarnation=welcome.incarnation)
            self.on_change()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(connection))
                tasks.create_task(self._stream(connection, welcome.seen))
                tasks.create_task(self._ping(connection))
        except* LOST as group:
            lost = first_of(group)  # raised in here, some releases of Python would wrap it in a group again
        finally:
            self._connection = self.connected_s = None
            connection.close()
            for exchange in self._exchanges.values():
                exchange.came(None)
            self.on_change()
        if lost is not None:
            raise lost

    async def _greet(self, connection: Connection) -> Welcome:
        index, site = self._index, self.site
        await connection.send(
            Hello(
                cluster=site.cluster,
                node=site.node,
                incarnation=index.incarnation,
                protocol=PROTOCOL,
                joined_ns=index.facts.joined_ns,
            )
        )
        welcome = await connection.expect(Welcome, _HANDSHAKE_S)
        if welcome.node != self.name or self.name not in connection.names():
            raise PeerError(f"the program at {site.peer_address}:{site.peer_port} is {welcome.node!r}")
        if welcome.refused:
            self.on_disowned(STALE)
            raise PeerError("the peer has forgotten deletions that this node's index never heard of")
        if not index.gave(welcome.seen):
            self.on_disowned(ROLLED_BACK)
            raise PeerError("the peer has seen later changes of this node than this node's index knows")
        self._note_clock(welcome.now_ns)
        self._takes_small = welcome.takes_small
        self.heard_upto = welcome.seen
        self._note_acked(welcome.held)
        return welcome

    async def _listen(self, connection: Connection) -> None:
        while True:
            match await connection.receive():
                case Pong(now_ns=now_ns):
                    self.round_trip_s = monotonic_s() - self._pinged_s
                    self._note_clock(now_ns)
                case Acked(seen=seen, held=held):
                    self._check_told(seen)
                    self.heard_upto = seen
                    if held > self.facts.acked:
                        self._suspect = False
                    self._note_acked(held)
                case (
                    Begin()
                    | Taken()
                    | Prepared()
                    | Committed()
                    | Blocks()
                    | Data()
                    | Small()
                    | Busy()
                    | Arrived()
                    | Compared() as answer
                ):
                    exchange = self._exchanges.get(answer.number)
                    if exchange is not None:
                        exchange.came(answer)
                    if isinstance(answer, Prepared) and not answer.problem:
                        self._suspect = False
                case other:
                    raise PeerError(f"sent {type(other).__name__}, which only a dialler sends")

    async def _stream(self, connection: Connection, seen: int) -> None:
        """Announce the index in its order, from where the peer stopped, for ever."""
        first = True
        told: Rows = {}
        while True:
            self._news.clear()
            upto = self._index.durable_sequence
            found = self._index.announcements(seen, MAX_INDEX_ENTRIES)
            if found or first or upto > seen:
                entries = tuple(
                    Entry(path, self._index.place(path).heads)
                    for sequence, path in found
                    if self._told.get(path) != sequence and not self._index.excludes(path)
                )
                for _, path in found:
                    self._told.pop(path, None)
                complete = len(found) < MAX_INDEX_ENTRIES
                seen = upto if complete else found[-1][0]
                first = False
                await connection.send(IndexMessage(entries=entries, upto=seen, complete=complete))
                if not complete:
                    continue
            told = await self._spread(connection, told, seen)
            with contextlib.suppress(asyncio.TimeoutError):
                async with asyncio.timeout(1.0):  # unlike wait_for it never swallows a cancellation
                    await self._news.wait()
            await asyncio.sleep(_GATHER_S)

    async def _spread(self, connection: Connection, told: Rows, seen: int) -> Rows:
        """Tell who has heard what, if that is not what was told last, nor that a moment ago; what is told then."""
        if self.spreading is None or monotonic_s() - self._spread_s < _SPREAD_S:
            return told
        rows = self.spreading.told(seen)
        if rows is None or rows == told:
            return told
        self._spread_s = monotonic_s()
        await connection.send(Known(rows=dict(rows)))
        return rows

    async def _ping(self, connection: Connection) -> None:
        while True:
            self._pinged_s = monotonic_s()
            await connection.send(Ping())
            await asyncio.sleep(self._replication.lease_s / 3)
            if monotonic_s() - connection.heard_s > 10 * self._replication.lease_s:
                raise PeerError("has not answered for ten leases")

    async def _send(self, message: Asked) -> None:
        if self._connection is None:
            raise ConnectionResetError("the peer is not connected")
        await self._connection.send(message)

    def _suspected(self) -> None:
        self._suspect = True

    def _note_clock(self, now_ns: int) -> None:
        """Taken anew with every Pong: either clock may be set right while the connection stands."""
        if now_ns:
            self.clock_ahead_ns = now_ns - int(monotonic_s() * 1e9)

    def _check_told(self, sequence: int) -> None:
        if sequence > self._index.clock.sequence:
            raise PeerError("acknowledges more than it was told")

    def _note_acked(self, held: int) -> None:
        self._check_told(held)
        self._index.note_peer(self.name, msgspec.structs.replace(self.facts, acked=held))


def _parts(entries: tuple[Entry, ...]) -> Iterator[tuple[Entry, ...]]:
    for start in range(0, len(entries), MAX_INDEX_ENTRIES):
        yield entries[start : start + MAX_INDEX_ENTRIES]
