"""The publish path against peers that fail: what is answered, what is visible, what is left behind."""

import errno
import os
from contextlib import asynccontextmanager

import msgspec
import pytest

from cluster.content_id import content_id_of
from cluster.health import NodeState, ReplicatorHealth
from cluster.publish import (
    Ask,
    Describe,
    Described,
    Done,
    Fetch,
    MakeDirectory,
    Policy,
    Publish,
    Reason,
    Refused,
    Remove,
    Rename,
    SetMtime,
)
from cluster.replication_settings import Replication
from replicator.disk.tree import Tree
from replicator.index.index import PeerFacts
from replicator.measures import Measures
from replicator.peers.connection import PeerError
from replicator.peers.mesh import Mesh
from replicator.peers.propagation import Propagation
from replicator.publish.publishing import Publishing
from replicator.transfers.intake import Intake
from replicator.worker import Worker
from tests.kit.publish_client import tree
from tests.kit.replica import FakeLink, OpenReplica, remote_head

pytestmark = pytest.mark.asyncio
QUICK = Replication(prepare_timeout_s=0.05, disk_reserve_bytes=0)


class FakeCondition:
    degraded_s = float("-inf")

    def __init__(self, state, to_hear):
        self.state, self.to_hear = lambda: state, lambda: to_hear

    def health(self):
        return ReplicatorHealth(node="here", incarnation="1", state=self.state(), to_hear=self.to_hear())


class Desk:
    """A publish desk over a temporary replica."""

    def __init__(self, folder, replica, links, state, to_hear, replication):
        self.root, self.replica, self.links = folder / "root", replica, links
        mesh = Mesh(links, replica.staging, QUICK, {link.name for link in links})
        settings = Cluster(len(links) + 1, replication)
        worker = Worker(replica, Intake(replica, links, QUICK), lambda: None)
        canaries = Propagation(replica, links, worker, Measures(), QUICK)
        self.publishing = Publishing(replica, mesh, settings, FakeCondition(state, to_hear), Measures(), canaries)

    async def upload(self, path, content, when_short="degrade", nodes="any-peer", **changes):
        (self.replica.staging.folder / "up-1").write_bytes(content)
        fields = {"staged": "up-1", "content_id": content_id_of(content), "size_bytes": len(content), "mtime_ns": 5}
        policy = Policy(nodes=nodes, when_short=when_short)
        return await self.publishing.answer(Publish(id=1, path=path, policy=policy, **(fields | changes)))

    async def ask(self, request):
        return await self.publishing.answer(request)

    @property
    def staged(self):
        return sorted(file.name for file in self.replica.staging.folder.iterdir())


class Cluster:
    def __init__(self, nodes, replication):
        self.replication = replication
        self.nodes = dict.fromkeys(range(nodes))
        self.writers = frozenset(self.nodes)


@asynccontextmanager
async def desk(folder, *links, disk=Tree, state=NodeState.READY, to_hear=(), replication=QUICK):
    async with OpenReplica(folder, disk) as replica:
        yield Desk(folder, replica, links, state, to_hear, replication)


BROKEN = PeerError("No space left on device")


@pytest.mark.parametrize(
    ("peers", "nodes", "when_short", "copies"),
    [
        ([FakeLink("a")], "any-peer", "refuse", 2),
        ([FakeLink("a", prepare=BROKEN)], "any-peer", "degrade", 1),
        ([FakeLink("a", prepare=BROKEN)], "any-peer", "refuse", None),
        ([FakeLink("a", prepare="silent")], "any-peer", "degrade", 1),
        ([FakeLink("a", prepare="silent")], "any-peer", "refuse", None),
        ([FakeLink("a", leased=False)], "any-peer", "degrade", 1),
        ([FakeLink("a", leased=False)], "any-peer", "refuse", None),
        ([FakeLink("a", prepare=BROKEN), FakeLink("b")], "any-peer", "refuse", 2),
        ([FakeLink("a", prepare=BROKEN), FakeLink("b")], "quorum", "refuse", 2),
        ([FakeLink("a", prepare=BROKEN), FakeLink("b")], "all", "refuse", None),
        ([FakeLink("a", prepare=BROKEN), FakeLink("b")], "all", "degrade", 2),
        ([FakeLink("a", commit=BROKEN)], "any-peer", "degrade", 1),
        ([FakeLink("a", commit="silent")], "any-peer", "degrade", 1),
        ([FakeLink("a", prepare=BROKEN)], "local", "refuse", 1),
    ],
)
async def test_copies_by_policy_and_by_what_the_peers_do(tmp_path, peers, nodes, when_short, copies):
    async with desk(tmp_path, *peers) as here:
        answer = await here.upload("Station/x", b"content", when_short, nodes)
        if copies is None:
            assert isinstance(answer, Refused)
            assert answer.reason is Reason.TOO_FEW_COPIES
            assert tree(here.root) == {}
            assert not here.replica.index.places
            assert not any(peer.committed for peer in peers)
        else:
            assert isinstance(answer, Done)
            assert answer.copies == copies
            assert tree(here.root) == {"Station": None, "Station/x": b"content"}
        assert here.staged == []


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, Reason.DISK_FULL), (errno.EDQUOT, Reason.DISK_FULL), (errno.EIO, Reason.IO_ERROR)],
)
async def test_a_disk_that_fails_at_the_last_step_leaves_the_old_file(tmp_path, number, reason):
    class FailingDisk(Tree):
        fails = False

        def put(self, *arguments):
            if self.fails:
                raise OSError(number, os.strerror(number))
            return super().put(*arguments)

    async with desk(tmp_path, FakeLink("a"), disk=FailingDisk) as here:
        assert (await here.upload("x", b"old")).copies == 2
        before = here.replica.index.place("x").heads
        FailingDisk.fails = True
        answer = await here.upload("x", b"new")
        assert answer.reason is reason
        assert tree(here.root) == {"x": b"old"}
        assert (here.replica.index.place("x").heads, here.replica.index.intents, here.staged) == (before, {}, [])
        assert await here.replica.is_as_recorded("x"), "though it has got a second name as a version"


async def test_a_repeat_is_the_same_version_and_asks_the_peers_for_their_copies(tmp_path):
    peer = FakeLink("a")
    async with desk(tmp_path, peer) as here:
        await here.upload("x", b"same")
        head = here.replica.index.place("x").heads
        assert (await here.upload("x", b"same", mtime_ns=77)).copies == 2
        assert len(peer.prepared) == 2
        peer.facts = type(peer.facts)(acked=here.replica.index.durable_sequence)
        assert (await here.upload("x", b"same")).copies == 2
        assert len(peer.prepared) == 3
        assert here.replica.index.place("x").heads == head


async def test_a_repeat_restores_a_file_that_is_gone_from_the_disk(tmp_path):
    async with desk(tmp_path) as here:
        await here.upload("x", b"same", nodes="local")
        (here.root / "x").unlink()
        assert isinstance(await here.upload("x", b"same", nodes="local"), Done)
        assert tree(here.root) == {"x": b"same"}


@pytest.mark.parametrize("path", ["../x", "/x", ".tripod/marker", "a/../b", ""])
async def test_a_bad_path_is_refused_and_the_staged_file_goes(tmp_path, path):
    async with desk(tmp_path) as here:
        assert (await here.upload(path, b"x")).reason is Reason.BAD_PATH
        assert here.staged == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"staged": "up-none"}, Reason.CHANGED),
        ({"staged": "../marker"}, Reason.BAD_PATH),
        ({"size_bytes": 9}, Reason.CHANGED),
    ],
)
async def test_a_staged_file_that_is_not_what_was_said_is_refused(tmp_path, changes, reason):
    async with desk(tmp_path) as here:
        assert (await here.upload("x", b"x", **changes)).reason is reason
        assert tree(here.root) == {}


async def test_a_file_never_replaces_a_directory_nor_a_directory_a_file(tmp_path):
    async with desk(tmp_path) as here:
        await here.upload("d/x", b"x", nodes="local")
        assert (await here.upload("d", b"y", nodes="local")).reason is Reason.EXISTS
        assert (await here.upload("d/x/z", b"y", nodes="local")).reason is Reason.BAD_PATH
        assert tree(here.root) == {"d": None, "d/x": b"x"}


@pytest.mark.parametrize("state", [NodeState.JOINING, NodeState.FAILED])
async def test_nothing_is_published_before_the_node_is_fit(tmp_path, state):
    async with desk(tmp_path, state=state) as here:
        assert (await here.upload("x", b"x")).reason is Reason.NOT_READY
        assert (await here.ask(Ask(id=3))).health.state is state
        assert here.staged == ["up-1"]


async def test_a_lost_marker_stops_every_change(tmp_path):
    async with desk(tmp_path) as here:
        await here.upload("x", b"x", nodes="local")
        (here.root / ".tripod/marker").unlink()
        local = Policy(nodes="local")
        requests = [
            MakeDirectory(id=1, path="d", policy=local),
            Remove(id=1, path="x", kind="file", policy=local),
            Rename(id=1, source="x", target="y", policy=local),
            SetMtime(id=1, path="x", mtime_ns=1, policy=local),
        ]
        for request in requests:
            assert (await here.ask(request)).reason is Reason.NOT_READY
        assert (await here.upload("y", b"y", nodes="local")).reason is Reason.NOT_READY
        assert tree(here.root) == {"x": b"x"}


async def test_a_file_whose_content_no_node_has_is_removed_or_uploaded_again(tmp_path):
    async with desk(tmp_path, FakeLink("a")) as here:
        for path in ("x", "y"):
            here.replica.hear(path, (remote_head(b"lost"),))
            assert (await here.ask(Fetch(id=1, path=path))).reason is Reason.NOT_READY
        assert isinstance(await here.ask(Remove(id=1, path="x", kind="file")), Done)
        assert isinstance(await here.upload("y", b"lost"), Done)
        assert tree(here.root) == {"y": b"lost"}
        assert not here.replica.index.pending
        assert [head.kind.value for head in here.replica.index.place("x").heads] == ["tombstone"]


async def test_a_directory_moves_with_everything_in_it(tmp_path):
    peer = FakeLink("a")
    async with desk(tmp_path, peer) as here:
        for name in ("d/x", "d/e/y"):
            await here.upload(name, name.encode())
        answer = await here.ask(Rename(id=1, source="d", target="moved"))
        assert answer.copies == 2
        assert tree(here.root) == {"moved": None, "moved/x": b"d/x", "moved/e": None, "moved/e/y": b"d/e/y"}
        assert set(peer.committed[-8:]) == {"d", "d/x", "d/e", "d/e/y", "moved", "moved/x", "moved/e", "moved/e/y"}
        assert not here.replica.index.pending
        assert (await here.ask(Rename(id=1, source="moved", target="moved/e/z"))).reason is Reason.BAD_PATH
        assert (await here.ask(Rename(id=1, source="moved/x", target="moved/e"))).reason is Reason.EXISTS


async def test_a_file_is_described_by_its_content_and_the_peers_that_hold_it(tmp_path):
    up_to_date, behind = FakeLink("a"), FakeLink("b", prepare=BROKEN)
    async with desk(tmp_path, up_to_date, behind) as mine:
        await mine.upload("x.rnx", b"content")
        described = Described(id=7, content_id=content_id_of(b"content"), copies=1, nodes=3)
        assert await mine.ask(Describe(id=7, path="x.rnx")) == described
        up_to_date.facts = PeerFacts(acked=mine.replica.index.durable_sequence)
        assert await mine.ask(Describe(id=7, path="x.rnx")) == msgspec.structs.replace(described, copies=2)
        await mine.ask(MakeDirectory(id=8, path="folder"))
        for path in ("folder", "missing"):
            answer = await mine.ask(Describe(id=9, path=path))
            assert isinstance(answer, Refused)
            assert answer.reason is Reason.NOT_FOUND


@pytest.mark.parametrize("request_", [Fetch(id=1, path="new"), Remove(id=1, path="new", kind="file")])
async def test_a_node_that_has_yet_to_hear_a_peer_says_of_nothing_that_it_is_not_there(tmp_path, request_):
    async with desk(tmp_path, to_hear=("there",)) as d:
        answer = await d.ask(request_)
        assert answer.reason is Reason.NOT_READY
        assert "there has yet to tell" in answer.text
    async with desk(tmp_path) as d:
        assert (await d.ask(request_)).reason is Reason.NOT_FOUND
