"""All peers together: who is in sync, and copies from enough of them."""

import asyncio
from collections.abc import Awaitable, Callable, Container, Sequence
from typing import Final

import msgspec

from cluster.clock import monotonic_s
from cluster.log import logger
from cluster.replication_settings import Replication
from replicator.core.copies import is_in_sync
from replicator.disk.staging import Staging
from replicator.peers.connection import LOST
from replicator.peers.link import PeerLink
from replicator.peers.wire import Entry, SmallFile
from replicator.transfers.preparing import Offer

MIN_COMMIT_S: Final = 0.5
"""The peers have so long to show a change, however late it is."""

_going_on: Final[set[asyncio.Task[bool]]] = (
    set()
)  # the loop holds tasks weakly; those that nobody waits for need a hold

log = logger(__name__)


class PreparedCopies(msgspec.Struct, frozen=True):
    """The peers that hold a change, hidden, and until when (monotonic) they are waited for."""

    links: tuple[PeerLink, ...]
    deadline_s: float


class Mesh:
    """The links to all peers. Used by the control thread alone."""

    def __init__(
        self, links: Sequence[PeerLink], staging: Staging, replication: Replication, counted: Container[str]
    ) -> None:
        """Of the `counted` peers alone copies are asked for: not of read-only ones."""
        self.links = tuple(links)
        self._counted = tuple(link for link in links if link.name in counted)
        self._staging = staging
        self._replication = replication

    def in_sync(self) -> tuple[PeerLink, ...]:
        """The peers that are asked for copies and have a lease now."""
        now_s = monotonic_s()
        return tuple(link for link in self._counted if is_in_sync(link.view(now_s), self._replication.lease_s))

    def announce(self) -> None:
        """There may be something new in the index."""
        for link in self.links:
            link.announce()

    def holders(self, sequence: int) -> int:
        """How many peers have said that they hold everything up to our `sequence`."""
        return sum(link.facts.acked >= sequence for link in self.links)

    async def prepare(self, path: str, offer: Offer | None, links: Sequence[PeerLink], enough: int) -> PreparedCopies:
        """Have `enough` of these peers hold the content; those that do when enough have answered or all have."""
        timeout_s = self._replication.prepare_timeout_s
        deadline_s = monotonic_s() + timeout_s
        if offer is not None:
            self._staging.offers[offer.content_id] = offer.file
        try:
            done = await _first_of(links, lambda link: link.prepare(path, offer, timeout_s), enough, path)
        finally:
            if offer is not None and self._staging.offers.get(offer.content_id) == offer.file:
                del self._staging.offers[offer.content_id]
        return PreparedCopies(done, max(deadline_s, monotonic_s() + MIN_COMMIT_S))

    async def prepare_small(self, files: Sequence[SmallFile], links: Sequence[PeerLink], enough: int) -> PreparedCopies:
        """As `prepare` of many small files at once: counted is who holds them all."""
        timeout_s = self._replication.prepare_timeout_s
        deadline_s = monotonic_s() + timeout_s
        path = files[0].path
        done = await _first_of(links, lambda link: link.prepare_small(files, timeout_s), enough, path)
        return PreparedCopies(done, max(deadline_s, monotonic_s() + MIN_COMMIT_S))

    async def commit(self, entries: tuple[Entry, ...], copies: PreparedCopies) -> int:
        """Have the peers that prepared show the change; how many of them do, within the deadline."""
        timeout_s = max(MIN_COMMIT_S, copies.deadline_s - monotonic_s())
        path = entries[0].path
        done = await _first_of(copies.links, lambda link: link.commit(entries, timeout_s), len(copies.links), path)
        return len(done)


async def _first_of(
    links: Sequence[PeerLink], ask: Callable[[PeerLink], Awaitable[None]], enough: int, path: str
) -> tuple[PeerLink, ...]:
    """Ask all, and return those that did it as soon as they are enough, which is one at least; the others go on."""
    if len(links) == 1:  # no task is needed to wait for one
        return tuple(links) if await _succeeds(links[0], ask, path) else ()
    asking = {asyncio.create_task(_succeeds(link, ask, path)): link for link in links}
    _going_on.update(asking)
    for task in asking:
        task.add_done_callback(_going_on.discard)
    pending = set(asking)
    done: list[PeerLink] = []
    while pending and len(done) < enough:
        finished, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        done += [link for task, link in asking.items() if task in finished and task.result()]
    return tuple(done)


async def _succeeds(link: PeerLink, ask: Callable[[PeerLink], Awaitable[None]], path: str) -> bool:
    try:
        await ask(link)
    except LOST as error:
        log.warning("a peer did not do its part", peer=link.name, path=path, why=str(error) or type(error).__name__)
        return False
    return True
