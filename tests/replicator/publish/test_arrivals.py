"""An upload comes to a peer while it still arrives here: over real TLS, with what may go wrong on the way."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from cluster.content_id import content_id_of
from cluster.publish import Arriving, Cut, FindPartial, OutOfOrder, Policy, Reason
from cluster.replication_settings import Replication
from replicator.peers.connection import PeerError
from replicator.peers.mesh import Mesh
from replicator.peers.wire import WINDOW_BYTES, Begin, Chunk, Entry, GivenUp, Prepared, Sealed, Taken, Welcome
from replicator.peers.wire import Arriving as ArrivingMessage
from replicator.publish.arrivals import Arrivals
from replicator.publish.refusals import RefusedError
from replicator.transfers.inflow import Inflow
from replicator.transfers.preparing import Offer
from tests.kit.publish_client import tree
from tests.kit.replica import remote_head
from tests.kit.wait import PATIENCE_S
from tests.replicator.peers.test_peers import dialled, door, linked, next_of

pytestmark = pytest.mark.asyncio
PORTION = bytes(range(256)) * 1024  # 256 KiB: worth being sent at once
BOTH = Policy(nodes="all")


def growing(replica):
    """What has come of arriving uploads, by the size of each."""
    return [file.stat().st_size for file in replica.staging.folder.iterdir() if file.name.startswith("grow-")]


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - a disk sets no event
            await asyncio.sleep(0.005)


class Upload:
    """A staged file of `there` that grows, and what a replicator does about it."""

    def __init__(self, there, link, wanted=2):
        self.file = there.staging.folder / "up-1"
        self.file.write_bytes(PORTION)
        self.content = PORTION
        self.mesh = Mesh([link], there.staging, Replication(prepare_timeout_s=2.0), {link.name})
        self.arrivals = Arrivals(self.mesh, there, wanted)

    async def begin(self, keep_s=0.0):
        request = Arriving(id=1, account="a", path="x", staged="up-1", policy=BOTH, keep_s=keep_s)
        return await self.arrivals.answer(request)

    def grow(self, data=PORTION):
        with self.file.open("ab") as file:
            file.write(data)
        self.content += data

    async def publish(self, link, content=None):
        content = self.content if content is None else content
        with self.arrivals.sealed("up-1") as outflows:
            self.sealed = list(outflows)
            offer = Offer(content_id_of(content), len(content), self.file, outflows)
            await link.prepare("x", offer, 2.0)
        head = remote_head(content)
        await link.commit((Entry("x", (head,)),), 2.0)


async def begun(there, link, here):
    """An upload whose first portion has come to the peer."""
    upload = Upload(there, link)
    await upload.begin()
    await until(lambda: growing(here) == [len(PORTION)])
    return upload


async def test_the_bytes_are_on_the_peer_hidden_before_the_upload_ends_and_visible_after_it(tmp_path):
    async with linked(tmp_path) as (there, link, here):
        upload = Upload(there, link)
        await upload.begin()
        for count in (1, 2, 3):
            await until(lambda count=count: growing(here) == [count * len(PORTION)])
            assert tree(here.tree.root) == {}
            upload.grow()
        await until(lambda: growing(here) == [len(upload.content)])
        upload.grow(b"the last bytes")
        await upload.publish(link)
        assert tree(here.tree.root) == {"x": upload.content}
        assert growing(here) == []


async def test_little_by_little_comes_too(tmp_path):
    async with linked(tmp_path) as (there, link, here):
        upload = await begun(there, link, here)
        upload.grow(b"a few")
        await until(lambda: growing(here) == [len(PORTION) + 5])


async def test_what_was_written_out_of_order_is_sent_again_as_a_whole(tmp_path):
    async with linked(tmp_path) as (there, link, here):
        upload = await begun(there, link, here)
        upload.file.write_bytes(b"changed" + PORTION)
        await upload.publish(link, b"changed" + PORTION)
        assert tree(here.tree.root) == {"x": b"changed" + PORTION}
        assert growing(here) == []


async def test_a_file_that_becomes_shorter_is_sent_again_as_a_whole(tmp_path):
    async with linked(tmp_path) as (there, link, here):
        upload = await begun(there, link, here)
        upload.file.write_bytes(b"short")
        await upload.publish(link, b"short")
        assert tree(here.tree.root) == {"x": b"short"}
        assert growing(here) == []


async def test_nothing_stays_on_the_peer_of_an_upload_that_is_thrown_away(tmp_path):
    async with linked(tmp_path) as (there, link, here):
        upload = await begun(there, link, here)
        upload.file.unlink()
        await until(lambda: growing(here) == [])
        upload.file.write_bytes(PORTION)
        await upload.begin()  # its place is free again
        assert list(here.staging.folder.iterdir()) == []


async def test_nothing_stays_on_a_peer_that_loses_the_connection_and_the_whole_is_sent_when_it_is_back(tmp_path):
    async with linked(tmp_path) as (there, link, here):
        upload = await begun(there, link, here)
        link._connection.close()
        await until(lambda: not link.connected)
        await until(lambda: link.connected)
        assert growing(here) == []
        await upload.publish(link)
        assert tree(here.tree.root) == {"x": upload.content}


async def test_a_peer_that_comes_back_during_the_upload_gets_it_from_the_begin(tmp_path):
    async with linked(tmp_path) as (there, link, here):
        upload = await begun(there, link, here)
        link._connection.close()
        await until(lambda: not link.connected)
        await until(lambda: link.connected)
        upload.grow()
        await until(lambda: growing(here) == [2 * len(PORTION)])
        await upload.publish(link)
        assert tree(here.tree.root) == {"x": upload.content}


async def find(arrivals, account="a"):
    return await arrivals.answer(FindPartial(id=1, account=account, path="x"))


async def test_what_came_of_an_upload_that_is_cut_is_kept_here_and_on_the_peer(tmp_path):
    async with linked(tmp_path) as (there, link, here):
        upload = Upload(there, link)
        await upload.begin(keep_s=60.0)
        await until(lambda: [each.size_bytes() for each in here.staging.partials.growing] == [len(PORTION)])
        elsewhere = Arrivals(upload.mesh, here, 2)
        assert (await find(upload.arrivals)).name == "up-1"
        assert (await find(elsewhere)).name.startswith("grow-")
        await upload.arrivals.answer(Cut(id=1, staged="up-1"))
        await until(lambda: not here.staging.partials.growing)
        for replica, arrivals in ((there, upload.arrivals), (here, elsewhere)):
            found = await find(arrivals)
            assert found.size_bytes == len(PORTION) - 4096
            assert (replica.staging.folder / found.name).read_bytes() == PORTION[:-4096]
            with pytest.raises(RefusedError):
                await find(arrivals, "another")
        assert tree(here.tree.root) == tree(there.tree.root) == {}
        here.hear("x", (remote_head(b"a whole one"),))
        with pytest.raises(RefusedError):
            await find(elsewhere)


async def test_a_peer_keeps_what_came_when_the_node_of_the_upload_is_lost(tmp_path):
    async with linked(tmp_path) as (there, link, here):
        upload = Upload(there, link)
        await upload.begin(keep_s=60.0)
        await until(lambda: growing(here) == [len(PORTION)])
        link._connection.close()
        await until(lambda: not here.staging.partials.growing)
        assert (await find(Arrivals(upload.mesh, here, 2))).size_bytes == len(PORTION) - 4096


async def test_of_what_is_written_out_of_order_nobody_has_anything_before_it_is_published(tmp_path):
    async with linked(tmp_path) as (there, link, here):
        upload = Upload(there, link)
        await upload.begin(keep_s=60.0)
        await until(lambda: growing(here) == [len(PORTION)])
        await upload.arrivals.answer(OutOfOrder(id=1, staged="up-1"))
        await until(lambda: list(here.staging.folder.iterdir()) == [])
        with pytest.raises(RefusedError):
            await find(upload.arrivals)
        upload.grow()
        await upload.arrivals.answer(OutOfOrder(id=1, staged="up-1"))
        with upload.arrivals.sealed("up-1") as outflows:
            assert outflows == {}
        assert upload.file.read_bytes() == upload.content
        upload.file.unlink()


@pytest.mark.parametrize("keep_s", [0.0, 60.0])
async def test_what_nobody_wants_is_kept_nowhere(tmp_path, keep_s):
    async with linked(tmp_path) as (there, link, here):
        upload = Upload(there, link)
        await upload.begin(keep_s=keep_s)
        await until(lambda: growing(here) == [len(PORTION)])
        await upload.arrivals.answer(Cut(id=1, staged="up-1", keep=not keep_s))
        await until(lambda: list(here.staging.folder.iterdir()) == [])
        assert list(there.staging.folder.iterdir()) == []


async def test_of_an_upload_that_nobody_told_of_nothing_is_kept(tmp_path):
    async with linked(tmp_path) as (there, link, _):
        upload = Upload(there, link)
        await upload.arrivals.answer(Cut(id=1, staged="up-1"))
        await upload.arrivals.answer(Cut(id=1, staged="up-1"))
        with pytest.raises(RefusedError):
            await upload.arrivals.answer(Cut(id=1, staged="../up-1"))
        assert list(there.staging.folder.iterdir()) == []


async def test_what_is_not_there_cannot_be_followed(tmp_path):
    async with linked(tmp_path) as (there, link, _):
        upload = Upload(there, link)
        upload.file.unlink()
        with pytest.raises(RefusedError) as refused:
            await upload.begin()
        assert refused.value.reason is Reason.NOT_FOUND
        with upload.arrivals.sealed("up-1") as outflows:
            assert outflows == {}


@asynccontextmanager
async def arriving(folder):
    """A bare connection to a replica that takes an upload: (replica, connection)."""
    async with door(folder) as (replica, _, site, port), dialled(site, port) as connection:
        await connection.expect(Welcome, 5)
        await connection.send(ArrivingMessage(number=1, path="x"))
        assert (await next_of(connection, Begin)).offset == 0
        yield replica, connection


async def test_a_peer_says_how_far_it_has_written_and_holds_what_is_sealed(tmp_path):
    async with arriving(tmp_path) as (replica, connection):
        await connection.send(Chunk(number=1, data=b"one"))
        assert (await next_of(connection, Taken)).upto == 3
        await connection.send(Chunk(number=1, data=b"two"))
        assert (await next_of(connection, Taken)).upto == 6
        content_id = content_id_of(b"onetwo")
        await connection.send(Sealed(number=1, content_id=content_id, size_bytes=6))
        assert (await next_of(connection, Prepared)).problem == ""
        assert replica.staging.has(content_id)
        assert growing(replica) == []


async def test_what_is_sealed_with_another_content_id_is_not_held(tmp_path):
    async with arriving(tmp_path) as (replica, connection):
        await connection.send(Chunk(number=1, data=b"one"))
        await connection.send(Sealed(number=1, content_id=content_id_of(b"two"), size_bytes=3))
        assert (await next_of(connection, Prepared)).problem
        assert list(replica.staging.folder.iterdir()) == []


async def test_more_than_the_window_is_not_taken(tmp_path):
    async with linked(tmp_path) as (there, link, _):
        inflow = Inflow(ArrivingMessage(number=1, path="x"), there, link._connection, 0)
        inflow.put(Chunk(number=1, data=bytes(WINDOW_BYTES)))
        with pytest.raises(PeerError, match="more"):
            inflow.put(Chunk(number=1, data=b"x"))


async def test_what_is_given_up_leaves_nothing_and_its_number_is_free(tmp_path):
    async with arriving(tmp_path) as (replica, connection):
        await connection.send(Chunk(number=1, data=b"one"))
        await connection.send(GivenUp(number=1))
        await until(lambda: list(replica.staging.folder.iterdir()) == [])
        await connection.send(Chunk(number=1, data=b"late"))
        await connection.send(ArrivingMessage(number=1, path="x"))
        await next_of(connection, Begin)


async def test_a_full_disk_is_said_and_nothing_stays(tmp_path):
    async with door(tmp_path) as (replica, answering, site, port):
        answering.settings = Replication(disk_reserve_bytes=1 << 60)
        async with dialled(site, port) as connection:
            await connection.expect(Welcome, 5)
            await connection.send(ArrivingMessage(number=1, path="x"))
            assert "No space left" in (await next_of(connection, Prepared)).problem
            assert list(replica.staging.folder.iterdir()) == []
