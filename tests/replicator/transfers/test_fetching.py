"""Content comes from whoever has it, goes on where it was cut, and is not sent where most of it is here."""

import asyncio
import random

import msgspec
import pytest

from cluster.clock import now_s
from cluster.content_id import content_id_of
from replicator.not_yet import NotYetError
from replicator.peers.link import Offer
from replicator.peers.wire import AskBlocks, Blocks, Chunk, Data, Entry, Want
from tests.kit.peers import peers
from tests.kit.publish_client import tree

pytestmark = pytest.mark.asyncio
LARGE = random.Random(1).randbytes(6_000_000)
LONG = LARGE * 3 + LARGE[::-1]
CHANGED = LARGE[:3_000_000] + random.Random(2).randbytes(100_000) + LARGE[3_100_000:]
INSERTED = LARGE[:3_000_000] + random.Random(3).randbytes(1_000) + LARGE[3_000_000:]


def sent(peer, kind):
    return [message for message in peer.sent if isinstance(message, kind)]


def bytes_given(peer):
    return sum(len(message.data) for message in sent(peer, Data))


def staged(peer):
    return sorted(file.name.partition("-")[0] for file in peer.replica.staging.folder.iterdir())


async def test_small_and_large_content_and_none_at_all_are_fetched(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        for content in (b"", b"small", LARGE):
            head = await found["a"].write("x", content)
            held = await found["b"].fetching.fetch("x", head.content_id, head.size_bytes)
            assert held.file.read_bytes() == content


@pytest.mark.parametrize("changed", [CHANGED, INSERTED, LARGE + b"appended", LARGE[1_000:]])
async def test_of_a_changed_file_only_the_change_is_fetched(tmp_path, changed):
    async with peers(tmp_path, "a", "b") as found:
        await found["b"].write("x", LARGE)
        head = await found["a"].write("x", changed)
        before = found["a"].sent_bytes()
        held = await found["b"].fetching.fetch("x", head.content_id, head.size_bytes)
        assert held.file.read_bytes() == changed
        assert found["a"].sent_bytes() - before < 600_000
        held.file.unlink()
        assert staged(found["b"]) == []


async def test_a_file_that_was_removed_helps_the_one_that_comes_in_its_place(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        await a.write("x", LARGE)
        b.replica.hear("x", a.replica.index.place("x").heads)
        await b.replica.settle("x")
        (a.root / "x").unlink()
        await a.replica.rescan("x", deleted=True)
        b.replica.hear("x", a.replica.index.place("x").heads)
        await b.replica.settle("x")
        before = bytes_given(a)
        head = await a.write("x", CHANGED)
        held = await b.fetching.fetch("x", head.content_id, head.size_bytes)
        assert held.file.read_bytes() == CHANGED
        assert bytes_given(a) - before < 600_000


async def test_a_file_of_other_content_is_fetched_as_a_whole(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        await found["b"].write("x", random.Random(9).randbytes(2_000_000))
        head = await found["a"].write("x", LARGE)
        held = await found["b"].fetching.fetch("x", head.content_id, head.size_bytes)
        assert held.file.read_bytes() == LARGE
        assert bytes_given(found["a"]) == len(LARGE)


async def test_small_files_are_not_compared(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        await found["b"].write("x", b"old")
        head = await found["a"].write("x", b"new")
        await found["b"].fetching.fetch("x", head.content_id, head.size_bytes)
        assert sent(found["b"], AskBlocks) == []


async def test_a_changed_upload_is_prepared_by_what_the_peer_has(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        await b.write("x", LARGE)
        file = a.replica.staging.publishing_file()
        file.write_bytes(CHANGED)
        content_id = content_id_of(CHANGED)
        a.replica.staging.offers[content_id] = file
        before = a.sent_bytes()
        await a.links["b"].prepare("x", Offer(content_id, len(CHANGED), file), 5.0)
        assert a.sent_bytes() - before < 600_000
        assert sent(a, Chunk) == []
        head = msgspec.structs.replace(
            b.replica.index.place("x").heads[0], content_id=content_id, size_bytes=len(CHANGED)
        )
        dot = type(head.dot)("a:1", 1)
        head = msgspec.structs.replace(head, dot=dot, vector=head.seen, stamp_ns=head.stamp_ns + 1)
        await a.links["b"].commit((Entry("x", (head,)),), 5.0)
        assert tree(b.root) == {"x": CHANGED}


async def test_an_upload_that_the_peer_cannot_ask_for_is_sent_as_a_whole(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        await b.write("x", LARGE)
        file = a.replica.staging.publishing_file()
        file.write_bytes(CHANGED)
        await a.links["b"].prepare("x", Offer(content_id_of(CHANGED), len(CHANGED), file), 5.0)
        assert sum(len(chunk.data) for chunk in sent(a, Chunk)) == len(CHANGED)
        held = b.replica.staging.take(content_id_of(CHANGED))
        assert held.file.read_bytes() == CHANGED


def cut_at(offset):
    """Drops the connection, once, instead of asking for what is there: all but a few batches before it have come."""
    cut = False

    def spoil(end, message):
        nonlocal cut
        if isinstance(message, Want) and message.spans[0].offset >= offset and not cut:
            cut = True
            end.close()
        return message

    return spoil


def asked_from(peer):
    return [want.spans[0].offset for want in sent(peer, Want)]


async def test_a_fetch_that_was_cut_goes_on_at_another_peer(tmp_path):
    async with peers(tmp_path, "a", "b", "c") as found:
        head = await found["a"].write("x", LONG)
        await found["c"].write("y", LONG)
        found["b"].spoil = cut_at(12 << 20)
        held = await found["b"].fetching.fetch("x", head.content_id, head.size_bytes)
        assert held.file.read_bytes() == LONG
        assert asked_from(found["b"]).count(0) == 1
        assert bytes_given(found["c"]) <= len(LONG) - (4 << 20)


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_fetch_that_was_cut_goes_on_when_the_peer_is_back(tmp_path, restarted):
    async with peers(tmp_path, "a", "b") as found:
        head = await found["a"].write("x", LONG)
        found["b"].spoil = cut_at(12 << 20)
        with pytest.raises(NotYetError):
            await found["b"].fetching.fetch("x", head.content_id, head.size_bytes)
        assert staged(found["b"]) == ["part"]
        if restarted:
            found["b"].replica.staging.start()
        held = await until_given(found["b"], head)
        assert held.file.read_bytes() == LONG
        assert asked_from(found["b"]).count(0) == 1
        assert staged(found["b"]) == ["peer"]


async def until_given(peer, head):
    while True:
        try:
            return await peer.fetching.fetch("x", head.content_id, head.size_bytes)
        except NotYetError:
            await asyncio.sleep(0)


async def test_what_came_of_a_fetch_is_dropped_when_nobody_goes_on(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        head = await found["a"].write("x", LONG)
        found["b"].spoil = cut_at(12 << 20)
        with pytest.raises(NotYetError):
            await found["b"].fetching.fetch("x", head.content_id, head.size_bytes)
        found["b"].replica.staging.expire(now_s() + 100, 50)
        assert staged(found["b"]) == []


def lie(_end, message):
    if isinstance(message, Data) and message.data:
        return msgspec.structs.replace(message, data=bytes(len(message.data) - 1) + b"?")
    return message


async def test_a_lying_peer_only_costs_time(tmp_path):
    async with peers(tmp_path, "a", "b", "c") as found:
        head = await found["a"].write("x", LARGE)
        await found["c"].write("y", LARGE)
        found["a"].spoil = lie
        held = await found["b"].fetching.fetch("x", head.content_id, head.size_bytes)
        assert held.file.read_bytes() == LARGE


async def test_of_several_givers_any_may_have_lied_and_the_last_is_asked_alone(tmp_path):
    async with peers(tmp_path, "a", "b", "c") as found:
        head = await found["a"].write("x", LONG)
        await found["c"].write("y", LONG)
        found["a"].spoil, found["b"].spoil = lie, cut_at(12 << 20)
        held = await found["b"].fetching.fetch("x", head.content_id, head.size_bytes)
        assert held.file.read_bytes() == LONG


@pytest.mark.parametrize(
    "lies",
    [
        lie,
        lambda _end, message: Blocks(number=message.number, blocks=b"torn") if isinstance(message, Blocks) else message,
        lambda _end, message: Blocks(number=message.number) if isinstance(message, Blocks) else message,
        lambda _end, message: (
            Blocks(number=message.number, blocks=message.blocks + message.blocks, last=message.last)
            if isinstance(message, Blocks)
            else message
        ),
        lambda _end, message: (
            msgspec.structs.replace(message, data=message.data * 2) if isinstance(message, Data) else message
        ),
    ],
    ids=["other bytes", "no list", "an empty list", "too long a list", "too many bytes"],
)
async def test_nothing_that_a_peer_says_of_a_change_makes_other_content(tmp_path, lies):
    async with peers(tmp_path, "a", "b") as found:
        await found["b"].write("x", LARGE)
        head = await found["a"].write("x", CHANGED)
        found["a"].spoil = lies
        try:
            held = await found["b"].fetching.fetch("x", head.content_id, head.size_bytes)
        except NotYetError:
            assert "peer" not in staged(found["b"])
        else:
            assert held.file.read_bytes() == CHANGED


async def test_a_similar_file_that_changes_meanwhile_does_no_harm(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        await b.write("x", LARGE)
        head = await a.write("x", CHANGED)

        def overwrite(_end, message):
            if isinstance(message, Want):
                with (b.root / "x").open("r+b") as file:
                    file.write(bytes(1_000_000))
            return message

        b.spoil = overwrite
        held = await b.fetching.fetch("x", head.content_id, head.size_bytes)
        assert held.file.read_bytes() == CHANGED


async def test_of_zeros_a_hole_is_left(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        content = bytes(8_000_000) + b"the end"
        head = await found["a"].write("x", content)
        held = await found["b"].fetching.fetch("x", head.content_id, head.size_bytes)
        assert held.file.read_bytes() == content
        assert held.file.stat().st_blocks * 512 < 2_000_000
