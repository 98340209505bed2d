"""What a node tells of who has heard what: only what its peer can take for true, and what is safe on its own disk."""

import pytest

from replicator.core.place import Written
from replicator.index.held_delete import HeldDelete
from replicator.peers.spreading import Spreading
from tests.kit.replica import OpenReplica

pytestmark = pytest.mark.asyncio
MEMBERS = frozenset({"here", "mid", "far"})


async def changed(index):
    index.feed("x", Written(row=None, now_ns=5))
    await index.durable()
    return index.durable_sequence


async def test_our_row_is_told_once_it_is_durable_and_the_peer_has_heard_our_index(tmp_path):
    async with OpenReplica(tmp_path) as here:
        spreading = Spreading(here.index, MEMBERS)
        here.index.feed("x", Written(row=None, now_ns=5))
        spreading.told(upto=0)
        sequence = here.index.clock.sequence
        assert spreading.told(upto=sequence) is None
        await here.index.durable()
        spreading.told(upto=sequence)
        assert spreading.told(upto=sequence) == {"here:1": {"here:1": sequence}}
        assert spreading.told(upto=sequence - 1) is None


async def test_what_a_peer_covers_we_cover_too_and_distant_members_are_heard_of(tmp_path):
    async with OpenReplica(tmp_path) as here:
        spreading = Spreading(here.index, MEMBERS)
        sequence = await changed(here.index)
        spreading.heard("mid:7", {"mid:7": {"mid:7": 40, "far:8": 30}, "far:8": {"far:8": 33, "here:1": sequence}})
        assert spreading.heard_upto("far") == sequence
        assert spreading.heard_upto("mid") == 0
        spreading.told(upto=sequence)
        told = spreading.told(upto=sequence)
        assert told["here:1"] == {"here:1": sequence, "mid:7": 40, "far:8": 30}
        assert told["far:8"] == {"far:8": 33, "here:1": sequence}


async def test_nobody_is_believed_about_sequences_that_we_never_gave_nor_about_strangers(tmp_path):
    async with OpenReplica(tmp_path) as here:
        spreading = Spreading(here.index, MEMBERS)
        sequence = await changed(here.index)
        spreading.heard(
            "mid:7",
            {
                "mid:7": {"here:1": sequence + 1, "stranger:1": 5},
                "far:8": {"here:1": 1 << 60},
                "stranger:1": {"here:1": sequence},
                "here:1": {"far:8": 99},
            },
        )
        assert spreading.heard_upto("far") == spreading.heard_upto("stranger") == 0
        assert spreading.rows == {"mid:7": {}, "far:8": {}}


async def test_while_a_deletion_of_a_peer_is_held_back_we_do_not_say_that_those_behind_us_can_know_it(tmp_path):
    async with OpenReplica(tmp_path) as here:
        spreading = Spreading(here.index, MEMBERS)
        here.index.hold(HeldDelete(path="y", at_ns=1, peer="mid"))
        sequence = await changed(here.index)
        spreading.told(upto=sequence)
        assert spreading.told(upto=sequence) is None
        here.index.let_go("y")
        spreading.told(upto=sequence)
        assert spreading.told(upto=sequence) is not None
