"""What goes over a limited link: no faster than it may, not at all while it is closed, and compressed where it pays."""

import random

import msgspec
import pytest
import zstandard

from cluster.clock import monotonic_s
from cluster.content_id import content_id_of
from cluster.replication_settings import Hours, Link
from replicator.not_yet import NotYetError
from replicator.peers.connection import PeerError
from replicator.peers.link import PeerLink
from replicator.peers.packing import unpacked
from replicator.peers.wire import CHUNK_BYTES, Busy, Data
from replicator.transfers.preparing import Offer, prepare
from tests.kit.peers import QUICK, peers

pytestmark = pytest.mark.asyncio
NOISE = random.Random(1).randbytes(300_000)
TEXT = "".join(f"G{number % 32:02} {number * 7.125:14.3f} 7{number * 3.5:16.3f}\n" for number in range(20_000)).encode()
ALWAYS_CLOSED = Hours(begin="00:00", end="24:00", bytes_per_s=0)


def limited(**fields):
    return msgspec.structs.replace(QUICK, links=(Link(source="a", target="b", **fields),))


async def fetched(found, content, peer="b"):
    head = await found["a"].write("x", content)
    held = await found[peer].fetching.fetch("x", head.content_id, head.size_bytes)
    assert held.file.read_bytes() == content


def given(peer):
    return [message for message in peer.sent if isinstance(message, Data)]


async def test_a_limited_link_carries_no_more_than_its_rate(tmp_path):
    async with peers(tmp_path, "a", "b", settings=limited(bytes_per_s=200_000)) as found:
        began_s = monotonic_s()
        await fetched(found, NOISE)
        assert monotonic_s() - began_s > (len(NOISE) - 200_000) / 200_000  # all but a burst and one chunk


async def test_one_that_waits_for_its_turn_is_not_taken_for_lost(tmp_path):
    settings = msgspec.structs.replace(limited(bytes_per_s=10_000), prepare_timeout_s=1.5)
    async with peers(tmp_path, "a", "b", settings=settings) as found:
        found["a"].door.throttle("b")._free_at_s = monotonic_s() + 2.5  # others are before it
        await fetched(found, NOISE[:1_000])
        assert any(isinstance(message, Busy) for message in found["a"].sent)


async def test_over_a_closed_link_nothing_is_asked_for_and_nothing_is_given(tmp_path):
    settings = limited(schedule=(ALWAYS_CLOSED,))
    async with peers(tmp_path, "a", "b", settings=settings) as found:
        with pytest.raises(NotYetError, match="no peer may send now"):
            await fetched(found, NOISE)
        found["b"].fetching._replication = QUICK  # an asker with other settings
        with pytest.raises(NotYetError, match="closed at this hour"):
            await fetched(found, NOISE)
        assert [message for message in given(found["a"]) if message.data] == []


async def test_another_holder_is_asked_while_a_link_is_closed(tmp_path):
    async with peers(tmp_path, "a", "b", "c", settings=limited(schedule=(ALWAYS_CLOSED,))) as found:
        await found["c"].write("x", NOISE)
        await fetched(found, NOISE)
        assert given(found["c"])


async def test_the_other_direction_is_not_limited(tmp_path):
    async with peers(tmp_path, "a", "b", settings=limited(schedule=(ALWAYS_CLOSED,))) as found:
        head = await found["b"].write("x", NOISE)
        held = await found["a"].fetching.fetch("x", head.content_id, head.size_bytes)
        assert held.file.read_bytes() == NOISE


@pytest.mark.parametrize("known", [b"", NOISE * 8])
async def test_what_an_upload_waits_for_is_exempt(tmp_path, known):
    """As a whole, and by what the peer has of it."""
    async with peers(tmp_path, "a", "b", settings=limited(schedule=(ALWAYS_CLOSED,))) as found:
        a, b = found["a"], found["b"]
        await b.write("x", known)
        content = NOISE * 8 + b"more"
        file = a.replica.staging.publishing_file()
        file.write_bytes(content)
        a.replica.staging.offers[content_id_of(content)] = file
        link: PeerLink = a.links["b"]
        await prepare(link, "x", Offer(content_id_of(content), len(content), file), 5.0, 10)
        assert b.replica.staging.take(content_id_of(content)).file.read_bytes() == content


async def test_text_is_compressed_and_what_does_not_shrink_is_not(tmp_path):
    async with peers(tmp_path, "a", "b", settings=limited(bytes_per_s=2_000_000)) as found:
        await fetched(found, TEXT)
        assert all(message.packed for message in given(found["a"]))
        assert sum(len(message.data) for message in given(found["a"])) < len(TEXT) / 3
        found["a"].sent.clear()
        await fetched(found, NOISE)
        assert not any(message.packed for message in given(found["a"]))


@pytest.mark.parametrize("settings", [msgspec.structs.replace(QUICK, compression="off"), limited(compression="off")])
async def test_compression_can_be_turned_off_for_all_or_one(tmp_path, settings):
    async with peers(tmp_path, "a", "b", settings=settings) as found:
        await fetched(found, TEXT)
        assert not any(message.packed for message in given(found["a"]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no frame",
        zstandard.ZstdCompressor().compress(bytes(CHUNK_BYTES + 1)),
        zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 100),
        zstandard.ZstdCompressor().compress(b"x" * 100)[:-1],
        zstandard.ZstdCompressor().compress(b"x" * 100) + b"more",
    ],
)
async def test_hostile_bytes_are_not_unpacked(data):
    with pytest.raises(PeerError):
        unpacked(data)
