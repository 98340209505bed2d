"""Lists what the peers are owed, in slices, so that a long backlog holds nobody up."""

import asyncio
from collections.abc import Iterable
from typing import Final

from cluster.backlog import Backlog, Owed
from replicator.core.head import winner
from replicator.index.index import Index
from replicator.peers.link import PeerLink

MAX_PATHS: Final = 1000
_SLICE: Final = 2000


async def list_backlog(index: Index, links: Iterable[PeerLink], now_ns: int, paths: int = 0) -> Backlog:
    """What each peer has not yet said that it holds, with the first so many paths of it."""
    return Backlog(node=index.node, peers=tuple([await _owed(index, link, now_ns, paths) for link in links]))


async def _owed(index: Index, link: PeerLink, now_ns: int, paths: int) -> Owed:
    after, entries, size_bytes, oldest_ns = link.facts.acked, 0, 0, 0
    first: list[str] = []
    while found := index.announcements(after, _SLICE):
        after = found[-1][0]
        entries += len(found)
        first += [path for _, path in found[: max(0, paths - len(first))]]
        for _, path in found:
            shown = winner(index.place(path).heads)
            if shown is not None:
                size_bytes += shown.size_bytes
                oldest_ns = min(oldest_ns or shown.stamp_ns, shown.stamp_ns or oldest_ns)
        await asyncio.sleep(0)
    return Owed(
        peer=link.name,
        connected=link.connected,
        entries=entries,
        size_bytes=size_bytes,
        oldest_s=max(0.0, (now_ns - oldest_ns) / 1e9) if oldest_ns else None,
        paths=tuple(first),
    )
