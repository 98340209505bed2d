"""Two replicas over real TLS on loopback: who may come in, what is believed, where a stream goes on."""

import asyncio
import gc
import socket
import ssl
from contextlib import asynccontextmanager, contextmanager, suppress

import msgspec
import pytest
import trustme

from cluster.clock import now_ns
from cluster.content_id import content_id_of
from cluster.publish import FindCanary
from cluster.replication_settings import Replication
from cluster.settings import Cluster, Node
from cluster.settings_values import Ports
from replicator.core.hybrid_clock import MAX_DRIFT_NS
from replicator.core.place import Written
from replicator.index.index import PeerFacts
from replicator.measures import Measures
from replicator.not_yet import NotYetError
from replicator.peers.connection import LOST, Connection, PeerError, client_tls, server_tls
from replicator.peers.door import PeerDoor
from replicator.peers.link import PeerLink, PeerSite, tls_dialler
from replicator.peers.propagation import Propagation
from replicator.peers.wire import (
    PROTOCOL,
    Acked,
    Arrived,
    Begin,
    Canary,
    Chunk,
    Data,
    Doubt,
    Entry,
    Hello,
    Index,
    Ping,
    Pong,
    Prepare,
    Prepared,
    PrepareSmall,
    SmallFile,
    Span,
    Want,
    Welcome,
)
from replicator.transfers.fetching import Fetching
from replicator.transfers.intake import Intake
from replicator.transfers.outlines import Outlines
from replicator.transfers.preparing import Offer
from replicator.worker import Worker
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica, hold, remote_head
from tests.kit.wait import PATIENCE_S
from tests.replicator.peers.test_propagation import until

pytestmark = pytest.mark.asyncio
QUICK = Replication(prepare_timeout_s=2.0, reconnect_s=0.05, lease_s=1.0, disk_reserve_bytes=0, inline_bytes=10)
AUTHORITY = trustme.CA(key_type=trustme.KeyType.ECDSA)


class Site:
    """The keys of one cluster, on disk."""

    def __init__(self, folder, authority=AUTHORITY):
        self.folder, self.authority = folder, authority
        folder.mkdir(exist_ok=True)
        authority.cert_pem.write_to_path(folder / "ca")
        self.cluster = Cluster(name="test", ca=folder / "ca", token_key=folder, management_token=folder)

    def node(self, name):
        leaf = self.authority.issue_cert(name, key_type=trustme.KeyType.ECDSA)
        leaf.private_key_and_cert_chain_pem.write_to_path(self.folder / name)
        pem = self.folder / name
        return Node(
            address="127.0.0.1", root=pem, state=pem, certificate=pem, key=pem, passive_ports=Ports(first=1, last=2)
        )


@asynccontextmanager
async def door(folder):
    """A replica `here` that answers; yields (replica, door, site, port)."""
    site = Site(folder / "keys")
    (folder / "here").mkdir()
    async with OpenReplica(folder / "here") as replica:
        answering = PeerDoor("test", "here", frozenset({"there"}), replica, QUICK)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        await answering.start("127.0.0.1", port, server_tls(site.cluster, site.node("here")))
        try:
            yield replica, answering, site, port
        finally:
            await answering.stop()


@asynccontextmanager
async def dialled(site, port, name="there", hello=None):
    """A bare connection to the door, as node `name`; greeted, unless `hello` says something else."""
    tls = client_tls(site.cluster, site.node(name))
    connection = Connection(*await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="here"))
    try:
        await connection.send(hello or greeting())
        yield connection
    finally:
        connection.close()


def greeting(**changes):
    fields = {"cluster": "test", "node": "there", "incarnation": "1", "protocol": PROTOCOL}
    return Hello(**(fields | changes))


async def next_of(connection, kind):
    while not isinstance(message := await asyncio.wait_for(connection.receive(), PATIENCE_S), kind):
        pass
    return message


@pytest.mark.parametrize(
    ("name", "hello"),
    [
        ("there", greeting(node="here")),
        ("other", greeting()),
        ("other", greeting(node="other")),
        ("there", greeting(cluster="another")),
        ("there", greeting(protocol=99)),
        ("there", Want(number=1, content_id="0" * 64, spans=(Span(0, 1),))),
    ],
)
async def test_who_is_not_the_peer_it_claims_to_be_is_turned_away(tmp_path, name, hello):
    async with door(tmp_path) as (_, _, site, port), dialled(site, port, name, hello) as connection:
        with pytest.raises(LOST):
            await connection.expect(Welcome, 5)


async def test_a_certificate_of_another_authority_is_turned_away(tmp_path):
    async with door(tmp_path) as (_, _, site, port):
        stranger = Site(tmp_path / "strange", trustme.CA(key_type=trustme.KeyType.ECDSA))
        with pytest.raises(ssl.SSLCertVerificationError):
            async with dialled(stranger, port):
                pass
        trusting = msgspec.structs.replace(stranger.cluster, ca=site.cluster.ca)
        stranger.cluster = trusting
        with pytest.raises(LOST):
            async with dialled(stranger, port) as connection:
                await connection.expect(Welcome, 5)


@pytest.mark.parametrize(
    "entry",
    [
        Entry("../../etc/passwd", (remote_head(b"x"),)),
        Entry(".tripod/marker", (remote_head(b"x"),)),
        Entry("x", (remote_head(b"x", stamp_ns=now_ns() + 1000 * MAX_DRIFT_NS),)),
        Entry("x", ()),
    ],
)
async def test_what_must_not_be_announced_ends_the_connection_and_changes_nothing(tmp_path, entry):
    async with door(tmp_path) as (replica, answering, site, port), dialled(site, port) as connection:
        await connection.expect(Welcome, 5)
        await connection.send(Index(entries=(entry,), upto=1, complete=True))
        with pytest.raises(LOST):
            await next_of(connection, Data)
        assert replica.index.places == {}
        assert "there announced" in answering.trouble["there"]


async def test_announcements_go_on_where_they_stopped_and_start_anew_for_a_new_incarnation(tmp_path):
    async with door(tmp_path) as (_, _, site, port):
        async with dialled(site, port) as connection:
            assert (await connection.expect(Welcome, 5)).seen == 0
            await connection.send(Index(entries=(Entry("x", (remote_head(None),)),), upto=7, complete=True))
            acked = await next_of(connection, Acked)
            while acked.seen < 7:
                acked = await next_of(connection, Acked)
            assert acked.held == 7
        async with dialled(site, port) as connection:
            welcome = await connection.expect(Welcome, 5)
            assert (welcome.seen, welcome.held) == (7, 7)
        async with dialled(site, port, hello=greeting(incarnation="2")) as connection:
            assert (await connection.expect(Welcome, 5)).seen == 0


async def test_a_peer_tells_its_clock_as_long_as_the_connection_stands(tmp_path):
    async with door(tmp_path) as (_, _, site, port), dialled(site, port) as connection:
        await connection.expect(Welcome, 5)
        before_ns = now_ns()
        await connection.send(Ping())
        assert before_ns <= (await next_of(connection, Pong)).now_ns <= now_ns()


async def test_content_is_not_acknowledged_before_it_is_here(tmp_path):
    async with door(tmp_path) as (replica, answering, site, port), dialled(site, port) as connection:
        await connection.expect(Welcome, 5)
        await connection.send(Index(entries=(Entry("x", (remote_head(b"x"),)),), upto=1, complete=True))
        acked = await next_of(connection, Acked)
        while acked.seen < 1:
            acked = await next_of(connection, Acked)
        assert acked.held == 0
        hold(replica, b"x")
        await replica.settle("x")
        answering.progressed()
        assert (await next_of(connection, Acked)).held == 1


@pytest.mark.parametrize("inline", [True, False])
async def test_content_that_is_not_what_its_id_says_is_not_held(tmp_path, inline):
    content_id = remote_head(b"what was promised").content_id
    async with door(tmp_path) as (replica, _, site, port), dialled(site, port) as connection:
        await connection.expect(Welcome, 5)
        lie = b"something else..."
        data = lie if inline else None
        await connection.send(Prepare(number=1, path="x", content_id=content_id, size_bytes=len(lie), data=data))
        if not inline:
            await next_of(connection, Begin)
            await connection.send(Chunk(number=1, data=lie))
        assert (await next_of(connection, Prepared)).problem
        assert list(replica.staging.folder.iterdir()) == []


async def test_of_many_small_files_all_are_held_or_none(tmp_path):
    def files(*contents):
        return tuple(SmallFile(f"f{number}", content_id_of(b"%d" % number), content, 5)
                     for number, content in enumerate(contents))  # fmt: skip

    async with door(tmp_path) as (replica, _, site, port), dialled(site, port) as connection:
        assert (await connection.expect(Welcome, 5)).takes_small
        await connection.send(PrepareSmall(number=1, files=files(b"0", b"a lie", b"2")))
        assert "not what its id says" in (await next_of(connection, Prepared)).problem
        assert list(replica.staging.folder.iterdir()) == []
        await connection.send(PrepareSmall(number=2, files=files(b"0", b"1", b"2")))
        assert (await next_of(connection, Prepared)).problem == ""
        assert sorted(file.read_bytes() for file in replica.staging.folder.iterdir()) == [b"0", b"1", b"2"]
        assert all(replica.staging.has(content_id_of(b"%d" % number)) for number in range(3))


async def test_a_peer_that_has_many_small_files_held_at_once_is_told_to_stop(tmp_path):
    async with door(tmp_path) as (_, _, site, port), dialled(site, port) as connection:
        await connection.expect(Welcome, 5)
        files = tuple(SmallFile(f"f{number}", content_id_of(b"x"), b"x", 5) for number in range(8))
        for number in range(100):
            await connection.send(PrepareSmall(number=number, files=files))
        problems = [(await next_of(connection, Prepared)).problem for _ in range(100)]
        assert problems.count("") >= 1
        assert set(problems) <= {"", "too many uploads at once"}
        assert "too many uploads at once" in problems


async def test_content_nobody_has_is_said_to_be_missing(tmp_path):
    async with door(tmp_path) as (_, _, site, port), dialled(site, port) as connection:
        await connection.expect(Welcome, 5)
        await connection.send(Want(number=4, content_id="0" * 64, spans=(Span(0, 1),)))
        answer = await next_of(connection, Data)
        assert answer.number == 4
        assert answer.problem


@asynccontextmanager
async def linked(folder):
    """A replica `there` that dials the replica `here`; yields (there, its link, here)."""
    async with door(folder) as (here, _, site, port):
        (folder / "there").mkdir()
        async with OpenReplica(folder / "there", node="there") as there:
            place = PeerSite("test", "there", "127.0.0.1", "here", "127.0.0.1", port)
            link = PeerLink(place, there.index, tls_dialler(client_tls(site.cluster, site.node("there"))), QUICK)
            changed = asyncio.Event()
            link.on_change = changed.set
            running = asyncio.create_task(link.run())
            try:
                await asyncio.wait_for(changed.wait(), PATIENCE_S)
                assert link.connected
                yield there, link, here
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running


@pytest.mark.parametrize("size_bytes", [0, 5, 2_000_000])
async def test_a_change_is_prepared_hidden_then_committed_visible_and_can_be_fetched_back(tmp_path, size_bytes):
    content = bytes(size_bytes)
    head = remote_head(content)
    async with linked(tmp_path) as (there, link, here):
        file = tmp_path / "staged"
        file.write_bytes(content)
        await link.prepare("x", Offer(head.content_id, size_bytes, file), 5.0)
        assert tree(here.tree.root) == {}
        await link.commit((Entry("x", (head,)),), 5.0)
        assert tree(here.tree.root) == {"x": content}
        fetching = Fetching((link,), there, Outlines(there), QUICK)
        held = await fetching.fetch("x", head.content_id, size_bytes)
        assert held.file.read_bytes() == content


async def test_a_small_copy_has_the_time_that_its_file_will_have_so_that_it_need_not_be_synced_again(tmp_path):
    head = remote_head(b"abc")
    async with linked(tmp_path) as (_, link, here):
        file = tmp_path / "staged"
        file.write_bytes(b"abc")
        await link.prepare("x", Offer(head.content_id, 3, file, mtime_ns=head.mtime_ns), 5.0)
        held = here.staging.take(head.content_id)
        assert (held.is_synced, held.file.stat().st_mtime_ns) == (True, head.mtime_ns)


async def test_a_commit_without_its_content_is_not_reported_as_shown(tmp_path):
    async with linked(tmp_path) as (_, link, _):
        with pytest.raises(PeerError):
            await link.commit((Entry("x", (remote_head(b"never sent"),)),), 5.0)


async def test_what_became_of_a_path_after_a_commit_of_it_was_asked_for_is_announced_yet(tmp_path):
    async with linked(tmp_path) as (there, link, here):

        async def announced(path):
            await there.index.durable()
            link.announce()
            await until(lambda: here.index.place(path).heads == there.index.place(path).heads)

        there.index.feed("before", Written(row=None, now_ns=now_ns()))
        await announced("before")
        older = there.index.feed("x", Written(row=None, now_ns=now_ns())).heads
        there.index.feed("x", Written(row=None, now_ns=now_ns()))
        await link.commit((Entry("x", older),), 5.0)
        await announced("x")


async def test_a_peer_that_saw_more_of_us_than_we_know_shows_a_rolled_back_index(tmp_path):
    async with door(tmp_path) as (here, _, site, port):
        here.index.note_peer("there", PeerFacts(incarnation="1", seen=99, held=99))
        (tmp_path / "there").mkdir()
        async with OpenReplica(tmp_path / "there") as there:
            place = PeerSite("test", "there", "127.0.0.1", "here", "127.0.0.1", port)
            link = PeerLink(place, there.index, tls_dialler(client_tls(site.cluster, site.node("there"))), QUICK)
            found = asyncio.Event()
            link.on_disowned = lambda _why: found.set()
            running = asyncio.create_task(link.run())
            await asyncio.wait_for(found.wait(), PATIENCE_S)
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            assert not link.connected


async def test_a_canary_is_fetched_verified_and_kept_where_no_client_looks(tmp_path):
    content = b"c" * 4096
    async with door(tmp_path) as (replica, answering, site, port), dialled(site, port) as connection:
        link = GivingLink(content)
        worker = Worker(replica, Intake(replica, [], Replication()), lambda: None)
        propagation = Propagation(replica, [link], worker, Measures(), QUICK)
        answering.take_canary = propagation.take
        working = asyncio.create_task(worker.run())
        for sent, problem in ((content, ""), (b"C" * 4096, "not what its id says")):
            link.content = sent
            await connection.send(Canary(number=4, content_id=content_id_of(content), size_bytes=4096))
            arrived = await next_of(connection, Arrived)
            assert arrived.number == 4
            assert problem in arrived.problem
            assert bool(arrived.problem) is bool(problem)
            assert (replica.tree.root / ".tripod/canaries/there.1").read_bytes() == content
        found = await propagation.answer(FindCanary(id=7, content_id=content_id_of(content)))
        assert (found.id, found.copies) == (7, 1)
        (replica.tree.root / ".tripod/canaries/there.1").write_bytes(b"C" * 4096)  # the disk does not keep it
        assert (await propagation.answer(FindCanary(id=8, content_id=content_id_of(content)))).copies == 0
        (replica.tree.root / ".tripod/canaries/there.1").unlink()
        assert (await propagation.answer(FindCanary(id=8, content_id=content_id_of(content)))).copies == 0
        assert (await propagation.answer(FindCanary(id=9, content_id="ab" * 32))).copies == 0
        assert tree(replica.tree.root) == {}
        assert replica.index.places.get("canaries/there") is None
        working.cancel()


async def test_a_peer_that_got_other_content_makes_us_look(tmp_path):
    async with door(tmp_path) as (_, answering, site, port), dialled(site, port) as connection:
        doubted = asyncio.Queue()
        answering.on_doubt = doubted.put_nowait
        await connection.send(Doubt(content_id="ab" * 32))
        assert await asyncio.wait_for(doubted.get(), PATIENCE_S) == "ab" * 32


class GivingLink:
    """A peer that gives this content to whoever wants any."""

    name, connected, round_trip_s = "there", True, 0.0

    def __init__(self, content):
        self.content = content
        self.number = 1

    @contextmanager
    def exchange(self):
        yield self

    async def send(self, message):
        assert isinstance(message, Want)

    async def answer(self, _timeout_s):
        return Data(number=1, data=self.content)


async def test_what_cannot_be_settled_after_its_peer_was_lost_is_no_error_of_the_program(tmp_path):
    complaints, goes_on = [], asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context["message"]))
    async with door(tmp_path) as (replica, answering, _, _):

        async def settle(_path):
            await goes_on.wait()
            raise NotYetError("no peer gives it")

        replica.settle = settle
        waiting = asyncio.create_task(answering.settle("x"))
        await asyncio.sleep(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        goes_on.set()
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
