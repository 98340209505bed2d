"""Who is waited for before a deletion is forgotten, and who must join as new: over an index and links that are told."""

import msgspec
import pytest

from cluster.replication_settings import Replication
from replicator.core.place import Written
from replicator.disk.marker import STALE
from replicator.index.index import PeerFacts
from replicator.peers.membership import Membership
from replicator.peers.wire import PROTOCOL, Hello
from tests.kit.replica import OpenReplica

pytestmark = pytest.mark.asyncio
DAY_S = 86_400.0
LATER_NS = 10**18
SETTINGS = Replication(tombstone_days=60)


class Link:
    def __init__(self, index, name, connected):
        self._index, self.name, self.connected = index, name, connected

    @property
    def facts(self):
        return self._index.peers.get(self.name, PeerFacts())


def hello(node, incarnation, joined_ns):
    return Hello(cluster="test", node=node, incarnation=incarnation, protocol=PROTOCOL, joined_ns=joined_ns)


async def deleted(index):
    index.feed("x", Written(row=None, now_ns=5))
    await index.durable()


async def test_a_connected_peer_holds_a_deletion_back_however_long_it_takes(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await deleted(here.index)
        membership = Membership(here.index, [Link(here.index, "slow", connected=True)], SETTINGS)
        for day in range(100):
            membership.tick(day * DAY_S, LATER_NS)
        assert "x" in here.index.places


async def test_a_silent_peer_holds_it_back_for_a_while_and_must_join_as_new_then(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await deleted(here.index)
        here.index.note_peer("gone", PeerFacts(incarnation="old", acked=0))
        link = Link(here.index, "gone", connected=False)
        membership = Membership(here.index, [link], SETTINGS)
        for day in range(60):
            membership.tick(day * DAY_S, LATER_NS)
        assert "x" in here.index.places
        assert membership.refusal(hello("gone", "old", 5)) == ""
        membership = Membership(here.index, [link], SETTINGS)  # what it has counted outlives the program
        membership.tick(0.0, LATER_NS)
        membership.tick(DAY_S, LATER_NS)
        membership.tick(2 * DAY_S, LATER_NS)
        assert "x" not in here.index.places
        assert membership.refusal(hello("gone", "old", 5)) == STALE
        assert membership.refusal(hello("gone", "new", 0)) == ""
        assert not link.facts.expelled_ns


class Far:
    """A distant member: what is known of it."""

    upto = 0

    def __call__(self):
        return self.upto


async def test_a_distant_member_holds_it_back_until_it_is_known_to_have_heard_of_it(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await deleted(here.index)
        here.index.note_peer("mid", PeerFacts(acked=here.index.durable_sequence))
        far = Far()
        membership = Membership(here.index, [Link(here.index, "mid", connected=True)], SETTINGS, {"far": far})
        membership.tick(0.0, LATER_NS)
        assert "x" in here.index.places
        far.upto = here.index.durable_sequence
        membership.tick(1.0, LATER_NS)
        assert "x" not in here.index.places
        assert not here.index.peers["far"].expelled_ns


async def test_a_distant_member_is_silent_while_it_hears_of_nothing_and_a_link_stands_that_could_tell(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await deleted(here.index)
        here.index.note_peer("mid", PeerFacts(acked=here.index.durable_sequence))
        mid, far = Link(here.index, "mid", connected=False), Far()
        membership = Membership(here.index, [mid], SETTINGS, {"far": far})
        for day in range(100):
            membership.tick(day * DAY_S, LATER_NS)
        assert "x" in here.index.places
        mid.connected = True
        membership = Membership(here.index, [mid], SETTINGS, {"far": far})
        for day in range(60):
            membership.tick(day * DAY_S, LATER_NS)
        assert "x" in here.index.places
        membership = Membership(here.index, [mid], SETTINGS, {"far": far})  # what it has counted outlives the program
        for day in range(3):
            membership.tick(day * DAY_S, LATER_NS)
        assert "x" not in here.index.places
        assert here.index.peers["far"].expelled_ns
        assert membership.refusal(hello("far", "never met", 5)) == STALE


async def test_a_distant_member_for_which_there_is_nothing_new_is_not_silent(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await deleted(here.index)
        far = Far()
        far.upto = here.index.durable_sequence
        membership = Membership(here.index, [Link(here.index, "mid", connected=True)], SETTINGS, {"far": far})
        for day in range(100):
            membership.tick(day * DAY_S, 5)
        await deleted(here.index)
        membership.tick(100 * DAY_S, LATER_NS)
        assert here.index.peers["far"].silent_s < 2 * DAY_S


async def test_a_peer_that_came_in_just_before_it_was_expelled_is_turned_out_and_must_greet_again(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await deleted(here.index)
        here.index.note_peer("gone", PeerFacts(incarnation="old", acked=0))
        membership = Membership(here.index, [Link(here.index, "gone", connected=False)], SETTINGS)
        turned_out = []
        membership.on_expelled = turned_out.append
        membership.tick(0.0, LATER_NS)
        assert membership.refusal(hello("gone", "old", 5)) == ""
        membership.tick(60 * DAY_S, LATER_NS)
        assert turned_out == ["gone"]
        assert membership.refusal(hello("gone", "old", 5)) == STALE


async def test_a_clock_that_jumps_expels_nobody(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await deleted(here.index)
        membership = Membership(here.index, [Link(here.index, "gone", connected=False)], SETTINGS)
        for second in range(10):
            membership.tick(float(second), LATER_NS + second * 10**17)
        assert "x" in here.index.places


async def test_a_peer_that_is_no_member_any_more_is_not_waited_for(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await deleted(here.index)
        here.index.note_peer("removed", PeerFacts(incarnation="old", acked=0))
        membership = Membership(here.index, [], SETTINGS)
        membership.tick(0.0, LATER_NS)
        assert "x" not in here.index.places
        assert membership.refusal(hello("removed", "old", 5)) == STALE


async def test_who_had_it_before_it_was_forgotten_may_go_on(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await deleted(here.index)
        facts = PeerFacts(incarnation="old", acked=here.index.durable_sequence)
        here.index.note_peer("removed", facts)
        membership = Membership(here.index, [], SETTINGS)
        membership.tick(0.0, LATER_NS)
        assert membership.refusal(hello("removed", "old", 5)) == ""
        assert here.index.peers["removed"] == msgspec.structs.replace(facts)
