"""Many uploads at once are answered as each would be alone, whatever the peers and the disk do."""

import asyncio
import errno
import sqlite3

import pytest

from cluster.content_id import content_id_of
from cluster.publish import Done, Policy, Publish, Reason, Refused
from replicator.disk.tree import Tree
from replicator.peers.connection import PeerError
from tests.kit.publish_client import tree
from tests.kit.replica import FakeLink
from tests.replicator.publish.test_publishing import BROKEN, desk

pytestmark = pytest.mark.asyncio
NAMES = [f"f{number}" for number in range(40)]


async def publish(here, path, content, number=0, nodes="any-peer", when_short="degrade"):
    staged = f"up-{path.replace('/', '-')}-{number}"
    (here.replica.staging.folder / staged).write_bytes(content)
    request = Publish(
        id=1,
        path=path,
        staged=staged,
        content_id=content_id_of(content),
        size_bytes=len(content),
        mtime_ns=5,
        policy=Policy(nodes=nodes, when_short=when_short),
    )
    return await here.ask(request)


async def publish_all(here, names=NAMES, **policy):
    return await asyncio.gather(*(publish(here, name, name.encode(), **policy) for name in names))


async def test_they_share_the_questions_to_a_peer(tmp_path):
    peer = FakeLink("a")
    async with desk(tmp_path, peer) as here:
        assert await publish_all(here) == [Done(id=1, copies=2, wanted=2)] * len(NAMES)
        assert tree(here.root) == {name: name.encode() for name in NAMES}
        assert sorted(peer.prepared) == sorted((name, name.encode()) for name in NAMES)
        assert sorted(peer.committed) == sorted(NAMES)
        assert peer.asked <= 3
        assert here.staged == []
        assert not here.replica.index.intents


@pytest.mark.parametrize(
    ("peers", "nodes", "when_short", "copies"),
    [
        ([], "any-peer", "degrade", 1),
        ([FakeLink("a")], "local", "refuse", 1),
        ([FakeLink("a", prepare=BROKEN)], "any-peer", "degrade", 1),
        ([FakeLink("a", prepare=BROKEN)], "any-peer", "refuse", None),
        ([FakeLink("a", prepare="silent")], "any-peer", "degrade", 1),
        ([FakeLink("a", prepare="silent")], "any-peer", "refuse", None),
        ([FakeLink("a", leased=False)], "any-peer", "degrade", 1),
        ([FakeLink("a", prepare=BROKEN), FakeLink("b")], "any-peer", "refuse", 2),
        ([FakeLink("a", prepare=BROKEN), FakeLink("b")], "all", "refuse", None),
        ([FakeLink("a", prepare=BROKEN), FakeLink("b")], "all", "degrade", 2),
        ([FakeLink("a", commit=BROKEN)], "any-peer", "degrade", 1),
        ([FakeLink("a", commit="silent")], "any-peer", "degrade", 1),
    ],
)
async def test_copies_are_those_of_uploads_that_come_alone(tmp_path, peers, nodes, when_short, copies):
    async with desk(tmp_path, *peers) as here:
        answers = await publish_all(here, nodes=nodes, when_short=when_short)
        if copies is None:
            assert {answer.reason for answer in answers} == {Reason.TOO_FEW_COPIES}
            assert tree(here.root) == {}
        else:
            assert {answer.copies for answer in answers} == {copies}
            assert tree(here.root) == {name: name.encode() for name in NAMES}
        assert here.staged == []
        assert not here.replica.index.intents


class OldPeer(FakeLink):
    async def prepare_small(self, _files, _timeout_s):
        raise PeerError("holds one upload at a time")


async def test_a_peer_that_takes_one_at_a_time_is_asked_for_each(tmp_path):
    peer = OldPeer("a")
    async with desk(tmp_path, peer) as here:
        assert {answer.copies for answer in await publish_all(here)} == {2}
        assert sorted(peer.committed) == sorted(NAMES)


class Picky(FakeLink):
    async def commit(self, entries, timeout_s):
        if any(entry.path == "f7" for entry in entries):
            raise BROKEN
        await super().commit(entries, timeout_s)


async def test_a_peer_that_shows_some_is_counted_for_those(tmp_path):
    async with desk(tmp_path, Picky("a")) as here:
        answers = dict(zip(NAMES, await publish_all(here), strict=True))
        assert {name: answer.copies for name, answer in answers.items()} == {
            name: 1 if name == "f7" else 2 for name in NAMES
        }


class OneIsFull(Tree):
    def put(self, folders, piece):
        if piece.path == "f7":
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().put(folders, piece)


async def test_a_file_that_the_disk_does_not_take_is_refused_alone(tmp_path):
    async with desk(tmp_path, FakeLink("a"), disk=OneIsFull) as here:
        answers = dict(zip(NAMES, await publish_all(here), strict=True))
        assert answers["f7"].reason is Reason.DISK_FULL
        assert all(isinstance(answer, Done) for name, answer in answers.items() if name != "f7")
        assert tree(here.root) == {name: name.encode() for name in NAMES if name != "f7"}
        assert here.staged == []
        assert not here.replica.index.intents


@pytest.mark.parametrize("commits", [0, 1])
async def test_an_index_that_cannot_be_written_refuses_all_that_it_does_not_have(tmp_path, commits, monkeypatch):
    """Before the disk changes nothing is visible; after it, the files are there, but nobody is told so."""
    async with desk(tmp_path, FakeLink("a")) as here:
        durable, left = here.replica.index.durable, [commits]

        async def fails_later():
            left[0] -= 1
            if left[0] < 0:
                raise sqlite3.OperationalError("database or disk is full")
            await durable()

        monkeypatch.setattr(here.replica.index, "durable", fails_later)
        answers = await publish_all(here)
        assert all(isinstance(answer, Refused) for answer in answers)
        assert {answer.reason for answer in answers} == {Reason.IO_ERROR}
        assert len(tree(here.root)) == (len(NAMES) if commits else 0)
        assert here.staged == []


async def test_of_several_to_one_path_at_once_the_last_is_shown_and_the_others_are_kept_as_conflicts(tmp_path):
    async with desk(tmp_path, FakeLink("a")) as here:
        answers = await asyncio.gather(*(publish(here, "same", b"%d" % number, number) for number in range(5)))
        assert all(isinstance(answer, Done) for answer in answers)
        assert tree(here.root) == {"same": b"4"}
        kept = {conflict.kept for conflict in here.replica.index.conflicts.values()}
        assert {(here.replica.tree.conflicts / name).read_bytes() for name in kept} == {b"0", b"1", b"2", b"3"}


class WritesMeanwhile(FakeLink):
    """While it prepares, a program puts a file of its own under one of the names."""

    def __init__(self, name, root):
        super().__init__(name)
        self._root = root

    async def prepare_small(self, files, timeout_s):
        await super().prepare_small(files, timeout_s)
        (self._root / "f7").write_bytes(b"somebody's")


async def test_what_a_program_wrote_there_meanwhile_is_kept(tmp_path):
    async with desk(tmp_path, WritesMeanwhile("a", tmp_path / "root")) as here:
        answers = await publish_all(here)
        assert all(isinstance(answer, Done) for answer in answers)
        assert tree(here.root) == {name: name.encode() for name in NAMES}
        (conflict,) = here.replica.index.conflicts.values()
        assert conflict.path == "f7"
        assert (here.replica.tree.conflicts / conflict.kept).read_bytes() == b"somebody's"


async def test_what_is_not_plain_goes_alone(tmp_path):
    """A folder that is to be made, a file that is replaced, one that is not small."""
    async with desk(tmp_path, FakeLink("a")) as here:
        await publish(here, "there", b"old")
        large = b"x" * (65 << 10)
        answers = await asyncio.gather(
            publish(here, "folder/x", b"1"), publish(here, "there", b"new", 1), publish(here, "large", large)
        )
        assert {answer.copies for answer in answers} == {2}
        assert tree(here.root) == {"folder": None, "folder/x": b"1", "there": b"new", "large": large}


class Slow(FakeLink):
    """It prepares when it may."""

    def __init__(self, name):
        super().__init__(name)
        self.is_asked, self.may = asyncio.Event(), asyncio.Event()

    async def prepare_small(self, files, timeout_s):
        self.is_asked.set()
        await self.may.wait()
        await super().prepare_small(files, timeout_s)


async def test_whoever_is_cancelled_leaves_nothing_behind(tmp_path):
    """An ftpnode that hangs up ends none of its requests, but the end of the program may."""
    peer = Slow("a")
    async with desk(tmp_path, peer) as here:
        asking = [asyncio.create_task(publish(here, name, name.encode())) for name in NAMES]
        await peer.is_asked.wait()
        for task in asking[::2]:
            task.cancel()
        await asyncio.wait(asking[::2])
        peer.may.set()
        assert {answer.copies for answer in await asyncio.gather(*asking[1::2])} == {2}
        assert tree(here.root) == {name: name.encode() for name in NAMES[1::2]}
        assert here.staged == []
        assert not here.replica.index.intents
