"""Compares this node's index with each peer's, from the top folder down, and tells anew what the peer may not know.

The sequence log tells each change once. Should a peer lose a row all the same (a defect, a disk that lied), nothing
would ever tell of it again: this does. The dialler sends digests of its folders, the answerer names those that differ
from its own, and their entries are announced once more, as news. What the dialler itself lacks it hears when the peer
compares. Only versions older than a minute count, and only once the peer has all news: else all that is under way
would differ. What differs all the same is compared once more after a while, and only what differs twice in a row is
told: a path that somebody changes between the two ends' looks, or that this node has yet to hear of, is no damage.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from cluster.clock import monotonic_s, now_ns
from cluster.log import logger
from replicator.core.digests import Digests
from replicator.core.head import NOTHING, Heads
from replicator.index.index import Index
from replicator.measures import Measures
from replicator.peers.connection import LOST, Connection, PeerError
from replicator.peers.link import PeerLink
from replicator.peers.wire import MAX_COMPARED, MAX_INDEX_ENTRIES, Compare, Compared, Entry, FolderDigest
from replicator.peers.wire import Index as IndexMessage

_OLD_NS: Final = 60 * 10**9
_SLICE: Final = 300
_CATCH_UP_S: Final = 120.0
_LOOK_S: Final = 1.0
_AGAIN_S: Final = 60.0
_ANSWER_S: Final = 300.0

log = logger(__name__)


class Outcome(msgspec.Struct, frozen=True):
    """What a comparison found: when it ended (monotonic), folders that differed, entries told anew."""

    at_s: float
    folders: int
    entries: int


async def digests_of(index: Index, before_ns: int) -> Digests:
    """The digests of a whole index, taken in slices; what changes meanwhile is too new to count."""
    digests = Digests(before_ns)
    for count, path in enumerate(list(index.places)):
        if not index.excludes(path):
            digests.add(path, index.place(path).heads)
        if count % _SLICE == 0:
            await asyncio.sleep(0)
    return digests


class Comparison:
    """The comparisons that one replicator begins. Used by the control thread alone."""

    def __init__(
        self, index: Index, links: Iterable[PeerLink], measures: Measures, has_told_all: Callable[[str], bool]
    ) -> None:
        self._index, self._links, self._measures = index, tuple(links), measures
        self.outcomes: dict[str, Outcome] = {}
        self._has_told_all = has_told_all

    async def run(self, old_ns: int = _OLD_NS, again_s: float = _AGAIN_S) -> None:
        """Compare with every connected peer; one that is lost meanwhile is compared with the next time.

        What differs is compared again after `again_s`.
        """
        digests = None
        for link in self._links:
            if not await self._is_told(link):
                continue
            if digests is None or digests.before_ns < now_ns() - 2 * old_ns:
                digests = await digests_of(self._index, now_ns() - old_ns)
            try:
                differing = await self._compare(link, digests)
                if differing:
                    await asyncio.sleep(again_s)
                    if not await self._is_told(link):
                        continue
                    digests = await digests_of(self._index, now_ns() - old_ns)
                    differing = await self._compare_again(link, digests, differing)
                await self._end(link, differing)
            except LOST as error:
                log.info("a comparison was cut off", peer=link.name, why=str(error) or type(error).__name__)

    async def _is_told(self, link: PeerLink) -> bool:
        """Whether the peer has all the news that there is now, and has told its own; waits for it a while."""
        upto, until_s = self._index.durable_sequence, monotonic_s() + _CATCH_UP_S
        # An event would be set with each Acked, thousands of times for each time that somebody waits.
        while link.connected and not self._have_told(link, upto) and monotonic_s() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        return link.connected and self._have_told(link, upto)

    def _have_told(self, link: PeerLink, upto: int) -> bool:
        return link.heard_upto >= upto and self._has_told_all(link.name)

    async def _compare(self, link: PeerLink, digests: Digests) -> list[str]:
        """The folders that differ themselves."""
        level, differing = [""], list[str]()
        while level:
            deeper: list[str] = []
            for start in range(0, len(level), MAX_COMPARED):
                found = await self._ask(link, digests, level[start : start + MAX_COMPARED])
                deeper += digests.folders(found.below)
                differing += found.own
            level = deeper
        return differing

    async def _compare_again(self, link: PeerLink, digests: Digests, folders: list[str]) -> list[str]:
        differing = list[str]()
        for start in range(0, len(folders), MAX_COMPARED):
            differing += (await self._ask(link, digests, folders[start : start + MAX_COMPARED])).own
        return differing

    async def _end(self, link: PeerLink, differing: list[str]) -> None:
        folders, entries = len(differing), 0
        for folder in differing:
            entries += await self._tell_again(link, folder)
        self.outcomes[link.name] = Outcome(monotonic_s(), folders, entries)
        self._measures.compared.labels(peer=link.name).inc()
        self._measures.compared_differing.labels(peer=link.name).inc(folders)
        if folders:
            log.warning("a peer's index differed; told anew", peer=link.name, folders=folders, entries=entries)

    async def _ask(self, link: PeerLink, digests: Digests, folders: list[str]) -> Compared:
        with link.exchange() as exchange:
            asked = tuple(FolderDigest(folder, digests.own(folder), digests.below(folder)) for folder in folders)
            await exchange.send(Compare(number=exchange.number, before_ns=digests.before_ns, folders=asked))
            answer = await exchange.answer(_ANSWER_S)
        if not isinstance(answer, Compared) or not {*answer.own, *answer.below} <= set(folders):
            raise PeerError("answered something else to Compare")
        return answer

    async def _tell_again(self, link: PeerLink, folder: str) -> int:
        """Announce what a folder has, out of turn: the sequence that the peer goes by does not move."""
        paths = sorted(self._index.children.get(folder, ()))
        entries = [Entry(path, heads) for path in paths if (heads := self._heads(path))]
        for start in range(0, len(entries), MAX_INDEX_ENTRIES):
            part = tuple(entries[start : start + MAX_INDEX_ENTRIES])
            await link.tell(IndexMessage(entries=part, upto=0, complete=False))
        return len(entries)

    def _heads(self, path: str) -> Heads:
        return NOTHING if self._index.excludes(path) else self._index.place(path).heads


class Comparing:
    """Answers the comparisons of one connection. Used by the control thread alone."""

    def __init__(self, index: Index, connection: Connection) -> None:
        self._index, self._connection = index, connection
        self._digests: Digests | None = None
        self._lock = asyncio.Lock()

    async def answer(self, message: Compare) -> None:
        """Say which folders differ; one index-wide pass for each comparison, one at a time."""
        async with self._lock:
            if self._digests is None or self._digests.before_ns != message.before_ns:
                self._digests = await digests_of(self._index, message.before_ns)
            mine = self._digests
        own = tuple(its.folder for its in message.folders if its.own != mine.own(its.folder))
        below = tuple(its.folder for its in message.folders if its.below != mine.below(its.folder))
        await self._connection.send(Compared(number=message.number, own=own, below=below))
