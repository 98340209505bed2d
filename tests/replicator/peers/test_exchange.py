"""A question to a peer is waited for while the peer gets on, and not for ever."""

import asyncio
from contextlib import suppress

import pytest

from replicator.peers.exchange import Exchange
from replicator.peers.wire import Busy, Prepared

pytestmark = pytest.mark.asyncio


def exchange(late):
    async def send(_message):
        pass

    return Exchange("there", 1, send, lambda: late.append(True))


async def test_a_busy_peer_is_waited_for():
    late = []
    asked = exchange(late)
    for answer in (Busy(number=1), Busy(number=1), Prepared(number=1)):
        asked.came(answer)
    assert await asked.answer(1.0) == Prepared(number=1)
    assert late == []


async def test_a_peer_that_only_says_that_it_is_busy_is_given_up():
    late = []
    asked = exchange(late)

    async def stall():
        while True:
            asked.came(Busy(number=1))
            await asyncio.sleep(0.001)

    stalling = asyncio.create_task(stall())
    with pytest.raises(TimeoutError):
        await asked.answer(0.01)
    stalling.cancel()
    with suppress(asyncio.CancelledError):
        await stalling
    assert late == [True]


async def test_a_lost_peer_is_known_at_once():
    asked = exchange([])
    asked.came(None)
    with pytest.raises(ConnectionResetError):
        await asked.answer(60.0)
