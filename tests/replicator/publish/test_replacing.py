"""An upload that replaces a file comes to the peers while it arrives, and what both have in one place is not sent."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from cluster.clock import now_ns
from cluster.content_id import content_id_of
from cluster.publish import Cut
from replicator.core.head import seen_by
from replicator.core.place import Heard
from replicator.peers.wire import CHUNK_BYTES, Begin, Chunk, Entry, Prepared, Same, Sealed, Taken, Welcome
from replicator.peers.wire import Arriving as ArrivingMessage
from replicator.transfers.preparing import Offer
from tests.kit.peers import peers
from tests.kit.publish_client import tree
from tests.kit.replica import remote_head
from tests.replicator.peers.test_peers import dialled, door, next_of
from tests.replicator.publish.test_arrivals import PORTION, Upload, growing, until

pytestmark = pytest.mark.asyncio
OLD = b"".join(bytes([part]) * CHUNK_BYTES for part in range(4))


class Pair:
    """Two nodes that know the same version of a file, which is replaced at one of them."""

    def __init__(self, there, here):
        self.there, self.here, self.link = there, here, there.links["here"]
        self.upload = Upload(there.replica, self.link)
        self.upload.file.write_bytes(b"")
        self.upload.content = b""

    def chunks_bytes(self):
        return sum(len(message.data) for message in self.there.sent if isinstance(message, Chunk))

    async def publish(self):
        """The rest comes as well, and it is shown in place of what either node had."""
        content = self.upload.content
        await self.prepare(content)
        sequence = self.there.replica.index.clock.sequence + 1
        saw = seen_by(self.here.replica.index.place("x").heads)
        head = remote_head(content, sequence, stamp_ns=now_ns(), saw=saw)
        await self.link.commit((Entry("x", (head,)),), 2.0)

    async def prepare(self, content):
        with self.upload.arrivals.sealed("up-1") as outflows:
            offer = Offer(content_id_of(content), len(content), self.upload.file, outflows)
            await self.link.prepare("x", offer, 2.0)

    async def arrive(self, content, **keep):
        """All of it has come but the tail, and is on the peer."""
        await self.upload.begin(**keep)
        self.upload.grow(content)
        await until(lambda: growing(self.here.replica) == [len(content)])


@asynccontextmanager
async def pair(folder, at_peer=OLD):
    async with peers(folder, "there", "here") as found:
        there, here = found["there"], found["here"]
        head = await there.write("x", OLD)
        if at_peer is not None:
            (here.root / "x").write_bytes(at_peer)
            here.replica.index.feed("x", Heard(heads=(head,)))
            await here.replica.rescan("x")
        yield Pair(there, here)


CHANGED = {
    "the same to its end, and more": (OLD + b"more", 4),
    "nothing at its end": (OLD[:-5], 0),
    "a piece in its middle": (OLD[:CHUNK_BYTES] + b"?" + OLD[CHUNK_BYTES + 1 :], CHUNK_BYTES),
    "one byte before it": (b"?" + OLD, len(OLD) + 1),
    "all": (bytes(reversed(OLD)), len(OLD)),
}


@pytest.mark.parametrize("what", CHANGED)
async def test_what_differs_from_the_replaced_file_is_on_the_peer_before_the_last_byte(tmp_path, what):
    content, sent_bytes = CHANGED[what]
    async with pair(tmp_path) as both:
        await both.arrive(content)
        assert both.chunks_bytes() == sent_bytes
        assert tree(both.here.root) == {"x": OLD}
        both.upload.grow(b"tail")
        await both.publish()
        assert tree(both.here.root) == {"x": content + b"tail"}
        assert both.chunks_bytes() <= sent_bytes + CHUNK_BYTES
        assert list(both.here.replica.staging.folder.iterdir()) == []


@pytest.mark.parametrize("at_peer", [None, b"another"])
async def test_a_peer_without_the_replaced_file_is_sent_all_of_it(tmp_path, at_peer):
    async with pair(tmp_path, at_peer) as both:
        await both.arrive(OLD + b"more")
        assert both.chunks_bytes() == len(OLD) + 4
        await both.publish()
        assert tree(both.here.root) == {"x": OLD + b"more"}


async def test_a_file_that_is_written_to_meanwhile_costs_a_transfer_and_nothing_else(tmp_path):
    async with pair(tmp_path) as both:
        await both.arrive(OLD[: 2 * CHUNK_BYTES])
        with (both.here.root / "x").open("r+b") as file:
            file.seek(3 * CHUNK_BYTES)
            file.write(b"something else")
        both.upload.grow(OLD[2 * CHUNK_BYTES :] + b"more")
        await both.prepare(OLD + b"more")
        (held,) = both.here.replica.staging.folder.iterdir()
        assert held.read_bytes() == OLD + b"more"


async def test_an_upload_that_replaces_and_is_cut_leaves_the_file_as_it_was_and_nothing_else(tmp_path):
    async with pair(tmp_path) as both:
        await both.arrive(b"?" + OLD, keep_s=60.0)
        await both.upload.arrivals.answer(Cut(id=1, staged="up-1"))
        for peer in (both.here, both.there):
            await until(lambda peer=peer: list(peer.replica.staging.folder.iterdir()) == [])
            assert tree(peer.root) == {"x": OLD}


async def test_a_peer_that_is_lost_in_the_middle_gets_the_rest_when_it_is_back(tmp_path):
    async with pair(tmp_path) as both:
        await both.arrive(PORTION)
        both.link._connection.close()
        await until(lambda: not both.link.connected)
        await until(lambda: both.link.connected)
        both.upload.grow(OLD)
        await until(lambda: growing(both.here.replica) == [len(PORTION) + len(OLD)])
        await both.publish()
        assert tree(both.here.root) == {"x": PORTION + OLD}


@asynccontextmanager
async def arriving(folder, content, base):
    """A bare connection to a replica with this file, that takes an upload which replaces `base`."""
    async with door(folder) as (replica, _, site, port), dialled(site, port) as connection:
        (replica.tree.root / "x").write_bytes(content)
        await replica.rescan("x")
        await connection.expect(Welcome, 5)
        await connection.send(ArrivingMessage(number=1, path="x", base=content_id_of(base)))
        yield replica, connection, (await next_of(connection, Begin)).has_base


async def test_a_peer_repeats_what_is_the_same_where_it_stands(tmp_path):
    async with arriving(tmp_path, b"0123456789", b"0123456789") as (replica, connection, has_base):
        assert has_base
        for message in (Same(number=1, size_bytes=3), Chunk(number=1, data=b"?"), Same(number=1, size_bytes=2)):
            await connection.send(message)
            await next_of(connection, Taken)
        await connection.send(Sealed(number=1, content_id=content_id_of(b"012?45"), size_bytes=6))
        assert (await next_of(connection, Prepared)).problem == ""
        assert replica.staging.has(content_id_of(b"012?45"))


@pytest.mark.parametrize(("base", "size_bytes"), [(b"0123456789", 11), (b"another", 1)])
async def test_what_is_the_same_in_a_file_that_a_peer_does_not_have_is_not_taken(tmp_path, base, size_bytes):
    async with arriving(tmp_path, b"0123456789", base) as (replica, connection, has_base):
        assert has_base == (base == b"0123456789")
        await connection.send(Same(number=1, size_bytes=size_bytes))
        assert "the same" in (await next_of(connection, Prepared)).problem
        await asyncio.sleep(0)
        assert list(replica.staging.folder.iterdir()) == []


async def until_lost(connection):
    while True:
        await connection.receive()


async def test_what_is_only_said_to_be_the_same_counts_for_the_window(tmp_path):
    async with arriving(tmp_path, OLD, OLD) as (_, connection, _):
        for _ in range(9):
            await connection.send(Same(number=1, size_bytes=CHUNK_BYTES))
        with pytest.raises(EOFError):
            await until_lost(connection)
