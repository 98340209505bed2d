"""Lets content out to one peer no faster than its link may carry now."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from cluster.clock import monotonic_s, now_s
from cluster.replication_settings import Link
from replicator.core.link_rate import BURST_S, rate_at, taken
from replicator.peers.wire import CHUNK_BYTES

_SAY_S: Final = 1.0
_LEAST_BYTES: Final = 1024


class ClosedError(OSError):
    """The link is closed at this hour."""

    def __init__(self) -> None:
        super().__init__("the link is closed at this hour, by its schedule")


class Throttle:
    """What goes to one peer. Used by the control thread alone."""

    def __init__(self, link: Link | None) -> None:
        self._link = link
        self._free_at_s = 0.0

    @property
    def limit(self) -> int | None:
        """Bytes a second that may go now: None without a limit, 0 when the link is closed."""
        return rate_at(self._link, now_s())

    def chunk_bytes(self) -> int:
        """How many bytes to send at once, so that others get their turn; ClosedError when none may go."""
        limit = self.limit
        if limit is None:
            return CHUNK_BYTES
        if limit == 0:
            raise ClosedError
        return max(_LEAST_BYTES, min(CHUNK_BYTES, int(limit * BURST_S)))

    async def let_through(self, size_bytes: int, say: Callable[[], Awaitable[None]]) -> None:
        """Wait until so many bytes may go; `say` is called meanwhile, every second. ClosedError when none may go."""
        limit = self.limit
        if limit is None:
            return
        if limit == 0:
            raise ClosedError
        self._free_at_s, wait_s = taken(self._free_at_s, size_bytes, limit, monotonic_s())
        while wait_s > 0:
            await asyncio.sleep(min(wait_s, _SAY_S))
            wait_s -= _SAY_S
            if wait_s > 0:
                await say()
