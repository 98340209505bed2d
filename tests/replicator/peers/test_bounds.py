"""What a peer may pile up in our memory is bounded: who goes beyond it loses its connection, and nothing else."""

import asyncio
from contextlib import suppress

import pytest

from cluster.content_id import content_id_of
from cluster.replication_settings import Replication
from replicator.peers.connection import PeerError
from replicator.peers.door import _MOST_UNDER_WAY, PeerDoor
from replicator.peers.exchange import Exchange
from replicator.peers.link import PeerLink, PeerSite
from replicator.peers.wire import (
    PROTOCOL,
    Acked,
    Arriving,
    Blocks,
    Busy,
    Chunk,
    Compared,
    Data,
    Hello,
    Small,
    Want,
    Welcome,
    encode,
)
from replicator.peers.wire import Span as SpanOf
from tests.kit.hostile_peer import Wire
from tests.kit.replica import OpenReplica

pytestmark = pytest.mark.asyncio
HELLO = encode(Hello(cluster="test", node="there", incarnation="1", protocol=PROTOCOL))
SETTINGS = Replication(disk_reserve_bytes=0, lease_s=1.0, reconnect_s=0.01)
MEGABYTE = b"x" * (1 << 20)
SOON_S = 30


async def nothing(_message):
    pass


@pytest.mark.parametrize(
    ("answer", "most"),
    [
        (Data(number=1, data=MEGABYTE), 17),
        (Blocks(number=1, blocks=MEGABYTE), 17),
        (Small(number=1, contents=(MEGABYTE, MEGABYTE)), 9),
        (Compared(number=1, own=("f" * 4096,) * 256, below=()), 17),
        (Busy(number=1), 17_000),
    ],
)
async def test_answers_that_nobody_takes_are_bounded(answer, most):
    exchange = Exchange("there", 1, nothing, lambda: None)

    def pile_up():
        for _ in range(most):
            exchange.came(answer)

    with pytest.raises(PeerError, match="more than it was asked for"):
        pile_up()


async def test_answers_that_are_taken_may_go_on_for_ever():
    exchange = Exchange("there", 1, nothing, lambda: None)
    for _ in range(100):
        exchange.came(Data(number=1, data=MEGABYTE))
        assert (await exchange.answer(1.0)).data == MEGABYTE


async def said_at_the_door(folder, *messages):
    """How a connection ends on which a peer says all this."""
    ended = []

    class Door(PeerDoor):
        async def answer(self, connection):
            await super().answer(connection)
            ended.append(len(connection._payloads))

    async with OpenReplica(folder) as here:
        door = Door("test", "here", frozenset({"there"}), here, SETTINGS)
        await asyncio.wait_for(door.answer(Wire([HELLO, *map(encode, messages)])), SOON_S)
        await door.stop()
        staged = [file.name for file in here.staging.folder.iterdir()]
    return ended[0], staged


async def test_an_upload_in_nothing_but_empty_pieces_ends_the_connection(tmp_path):
    pieces = [Chunk(number=1, data=b"")] * 20_000
    unheard, staged = await said_at_the_door(tmp_path, Arriving(number=1, path="x"), *pieces)
    assert unheard > 0
    assert staged == []


async def test_more_questions_at_once_than_any_node_has_end_the_connection(tmp_path, monkeypatch):
    answered = asyncio.Event()
    monkeypatch.setattr("replicator.transfers.giving.Giving.give", lambda *_: answered.wait())
    want = Want(number=1, content_id=content_id_of(b"x"), spans=(SpanOf(0, 1),))
    unheard, _ = await said_at_the_door(tmp_path, *[want] * (_MOST_UNDER_WAY + 10))
    assert unheard == 9


@pytest.mark.parametrize("acked", [Acked(seen=10**18, held=0), Acked(seen=0, held=10**18)])
async def test_nobody_is_believed_to_hold_what_it_was_not_told(tmp_path, acked):
    async with OpenReplica(tmp_path) as here:
        wire = Wire([encode(Welcome(node="there", incarnation="1", seen=0, held=0)), encode(acked)])
        lost = asyncio.Event()

        async def dial(_site):
            if wire.closed:
                lost.set()
                await asyncio.Event().wait()
            return wire

        link = PeerLink(PeerSite("test", "here", "", "there", "", 0), here.index, dial, SETTINGS)
        running = asyncio.create_task(link.run())
        await asyncio.wait_for(lost.wait(), SOON_S)
        assert link.trouble == "acknowledges more than it was told"
        assert (link.facts.acked, link.heard_upto) == (0, 0)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
