"""A connection of a client and one to a node, joined: what comes from either goes to the other and ends as it ended."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from balancer.core.pass_through import BothEnded
from balancer.data_leg import DataLeg, SinkLostError, SourceCutError

Move = Callable[[DataLeg, DataLeg, Callable[[int], None]], Awaitable[None]]
"""Moves all that comes from one leg to another: data_leg's `relay` or `pass_on`."""

Way = asyncio.Task[None]

_LAST_WORD_S: Final = 1.0


class _CutError(Exception):
    """One way did not come to its good end."""

    def __init__(self, how: BothEnded) -> None:
        super().__init__(how.value)
        self.how = how


class TwoWays:
    """Both ways between two patient legs, which it owns."""

    def __init__(self, client: DataLeg, node: DataLeg) -> None:
        self.up_bytes = self.down_bytes = 0
        """What came from the client, and from the node."""
        self._client = client
        self._node = node
        self._has_finished = {client: asyncio.Event(), node: asyncio.Event()}

    async def run(
        self, move: Move, *, idle_s: float | None, linger_s: float, heard: Callable[[], None] = lambda: None
    ) -> BothEnded:
        """Join them until both have ended, or one is cut: then both are reset, so that nobody takes a part for all.

        Nothing on either way for `idle_s` (None: that is the node's business), or for `linger_s` once one way has
        ended, is a cut, too. `heard` is called when something came from the client.
        """

        def up(count: int) -> None:
            self.up_bytes += count
            heard()

        def down(count: int) -> None:
            self.down_bytes += count

        client, node = self._client, self._node
        by_client, by_node = BothEnded.CLIENT_CUT, BothEnded.NODE_CUT
        from_client = asyncio.create_task(self._way(move(client, node, up), client, node, by_client, by_node))
        from_node = asyncio.create_task(self._way(move(node, client, down), node, client, by_node, by_client))
        ways, ended = {from_client, from_node}, BothEnded.STILL
        try:
            first = await self._end_of_one(ways, idle_s)
            ended = BothEnded.CLIENT_FIRST if first is from_client else BothEnded.NODE_FIRST
            _ = await self._end_of_one(ways - {first}, linger_s)
        except _CutError as error:
            return error.how if ended is BothEnded.STILL else ended
        else:
            client.close()
            node.close()
            return ended
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            client.abort()
            node.abort()

    async def _end_of_one(self, ways: set[Way], still_s: float | None) -> Way:
        """The first of them that has come to its good end; _CutError."""
        while True:
            before_bytes = self.up_bytes + self.down_bytes
            done, _ = await asyncio.wait(ways, timeout=still_s, return_when=asyncio.FIRST_COMPLETED)
            if done:
                way = done.pop()
                await way
                return way
            if self.up_bytes + self.down_bytes == before_bytes:
                raise _CutError(BothEnded.STILL)

    async def _way(
        self, moving: Awaitable[None], source: DataLeg, sink: DataLeg, by_source: BothEnded, by_sink: BothEnded
    ) -> None:
        try:
            try:
                await moving
                self._has_finished[source].set()
                sink.half_close()
            except SinkLostError as error:
                if not await self._had_finished(sink):
                    raise _CutError(by_sink) from error
                # It has said all, and hears nothing any more. The other end may not have got all yet, and a reset
                # would throw away what is on the way.
                while await _says_more(source):
                    pass
        except SourceCutError as error:
            raise _CutError(by_source) from error

    async def _had_finished(self, sink: DataLeg) -> bool:
        """Whether what takes no more had ended well before; on the other way that may not have been read yet."""
        try:
            async with asyncio.timeout(_LAST_WORD_S):
                return await self._has_finished[sink].wait()
        except TimeoutError:
            return False


async def _says_more(source: DataLeg) -> bool:
    """Hear it out: False when it ends, or has got everything and says nothing; SourceCutError."""
    try:
        async with asyncio.timeout(_LAST_WORD_S):
            return bool(await source.receive())
    except TimeoutError:
        return source.unsent_bytes > 0
