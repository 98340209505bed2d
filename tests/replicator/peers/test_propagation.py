"""Canaries that a balancer asks for: sent to every peer, one behind the other, offered for a while, never piled up."""

import asyncio
from contextlib import contextmanager

import pytest

from cluster.publish import FindCanary, PutCanary
from cluster.replication_settings import Replication
from replicator.measures import Measures
from replicator.peers.connection import PeerError
from replicator.peers.propagation import Propagation
from replicator.peers.wire import Arrived
from replicator.transfers.intake import Intake
from replicator.worker import Worker
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica
from tests.kit.wait import PATIENCE_S

pytestmark = pytest.mark.asyncio


class SlowLink:
    """A peer that takes a canary when the test says so."""

    connected, round_trip_s, number = True, 0.0, 1

    def __init__(self, name):
        self.name = name
        self.sent = []
        self.takes = asyncio.Queue()

    @contextmanager
    def exchange(self):
        yield self

    async def send(self, message):
        self.sent.append(message.content_id)

    async def answer(self, _timeout_s):
        answer = await self.takes.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


def propagation(replica, *links):
    worker = Worker(replica, Intake(replica, [], Replication()), lambda: None)
    return Propagation(replica, links, worker, Measures(), Replication())


async def put(canaries):
    return (await canaries.answer(PutCanary(id=1))).content_id


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the links set no event
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("outcome", [Arrived(number=1, problem=""), PeerError("the connection was lost")])
async def test_the_newest_goes_behind_one_that_is_under_way(tmp_path, outcome):
    async with OpenReplica(tmp_path) as replica:
        slow, quick = SlowLink("slow"), SlowLink("quick")
        canaries = propagation(replica, slow, quick)
        put_first = await put(canaries)
        await until(lambda: quick.sent and slow.sent)
        quick.takes.put_nowait(Arrived(number=1, problem=""))
        await until(lambda: canaries.summary("quick").last_s is not None)
        second, third = await put(canaries), await put(canaries)
        assert slow.sent == [put_first]
        slow.takes.put_nowait(outcome)
        quick.takes.put_nowait(Arrived(number=1, problem=""))
        await until(lambda: len(slow.sent) == 2 and len(quick.sent) == 3)
        assert slow.sent == [put_first, third]
        assert quick.sent == [put_first, second, third]
        assert tree(replica.tree.root) == {}


async def test_a_peer_that_is_away_gets_none(tmp_path):
    async with OpenReplica(tmp_path) as replica:
        away = SlowLink("away")
        away.connected = False
        await put(propagation(replica, away))
        assert away.sent == []


async def test_the_last_few_are_there_for_the_peers_and_nothing_piles_up(tmp_path):
    async with OpenReplica(tmp_path) as replica:
        canaries = propagation(replica, SlowLink("slow"))
        ids = [await put(canaries) for _ in range(20)]
        assert len(list((replica.tree.root / ".tripod/canaries").iterdir())) == 8
        assert set(replica.staging.offers) == set(ids[-8:])
        found = await canaries.answer(FindCanary(id=2, content_id=ids[-1]))
        assert found.copies == 0, "it came from no peer"


async def test_the_nodes_own_canaries_go_on_beside_them(tmp_path):
    async with OpenReplica(tmp_path) as replica:
        link = SlowLink("there")
        canaries = propagation(replica, link)
        asked = await put(canaries)
        await canaries.send()  # the first of its own, while the other is under way
        link.takes.put_nowait(Arrived(number=1, problem=""))
        await until(lambda: canaries.summary("there").last_s is not None)
        await canaries.send()
        await until(lambda: len(link.sent) == 2)
        assert link.sent[0] == asked
        assert link.sent[1] in replica.staging.offers
