"""A connection of a client and one to a node, joined: what comes from either goes to the other and ends as it ended."""

import asyncio
from collections.abc import Awaitable, Callable

from balancer.core.pass_through import BothEnded
from balancer.data_leg import DataLeg, SinkLostError, SourceCutError

Move = Callable[[DataLeg, DataLeg, Callable[[int], None]], Awaitable[None]]
"""Moves all that comes from one leg to another: data_leg's `relay` or `pass_on`."""

Way = asyncio.Task[None]


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
        from_client = asyncio.create_task(_one_way(move(client, node, up), node, by_client, by_node))
        from_node = asyncio.create_task(_one_way(move(node, client, down), client, by_node, by_client))
        ways = {from_client, from_node}
        try:
            first = await self._end_of_one(ways, idle_s)
            _ = await self._end_of_one(ways - {first}, linger_s)
        except _CutError as error:
            return error.how
        else:
            client.close()
            node.close()
            return BothEnded.CLIENT_FIRST if first is from_client else BothEnded.NODE_FIRST
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self.cut()

    def cut(self) -> None:
        """Reset both; no harm when they are closed."""
        self._client.abort()
        self._node.abort()

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


async def _one_way(moving: Awaitable[None], sink: DataLeg, by_source: BothEnded, by_sink: BothEnded) -> None:
    try:
        await moving
        sink.half_close()
    except SourceCutError as error:
        raise _CutError(by_source) from error
    except SinkLostError as error:
        raise _CutError(by_sink) from error
