"""A disk that fails in the middle of a change has perhaps done it: that makes no new version."""

import pytest

from cluster.content_id import content_id_of
from cluster.publish import Reason, SetMtime
from replicator.core.head import Kind, winner
from replicator.disk.tree import Tree
from replicator.index.intent import Intent
from replicator.restart import replay_intents
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica, hold, remote_head
from tests.replicator.publish.test_publishing import desk

pytestmark = pytest.mark.asyncio


class DoesItAndFails(Tree):
    """Each call that changes a file does it, and then the fsync of the folder fails."""

    broken = False

    def install_all(self, pieces):
        rows = super().install_all(pieces)
        return [OSError(5, "Input/output error") for _ in rows] if self.broken else rows

    def touch(self, *arguments):
        row = super().touch(*arguments)
        return self.fail() if self.broken else row

    def fail(self):
        raise OSError(5, "Input/output error")


async def fail_to_settle(here):
    """The disk does what it is told to, and says that it did not."""
    here.tree.broken = True
    with pytest.raises(OSError, match="Input/output"):
        await here.settle("x")
    here.tree.broken = False


async def test_a_peers_version_that_was_half_put_there_does_not_come_back_as_ours(tmp_path):
    async with OpenReplica(tmp_path, DoesItAndFails) as here:
        hold(here, b"old")
        here.hear("x", (remote_head(b"old"),))
        await fail_to_settle(here)
        here.hear("x", (remote_head(None, sequence=2),))
        await here.rescan("x")
        await here.settle("x")
        assert winner(here.index.place("x").heads).kind is Kind.TOMBSTONE
        assert tree(here.tree.root) == {}
        assert not here.index.intents


async def test_a_newer_version_of_a_peer_does_not_make_it_ours_either(tmp_path):
    async with OpenReplica(tmp_path, DoesItAndFails) as here:
        hold(here, b"old")
        here.hear("x", (remote_head(b"old"),))
        await fail_to_settle(here)
        hold(here, b"new")
        newer = remote_head(b"new", sequence=2)
        here.hear("x", (newer,))
        await here.settle("x")
        assert here.index.place("x").heads == (newer,)
        assert tree(here.tree.root) == {"x": b"new"}
        assert not here.index.intents


async def test_what_a_program_wrote_after_the_failure_is_a_version_of_its_own(tmp_path):
    async with OpenReplica(tmp_path, DoesItAndFails) as here:
        hold(here, b"theirs")
        here.hear("x", (remote_head(b"theirs"),))
        await fail_to_settle(here)
        (here.tree.root / "x").write_bytes(b"mine")
        await here.rescan("x")
        assert {head.dot.node for head in here.index.place("x").heads} == {"here", "there"}
        assert not here.index.intents


async def test_a_time_that_was_half_set_is_set_back(tmp_path):
    async with desk(tmp_path, disk=DoesItAndFails) as here:
        await here.upload("x", b"content", nodes="local")
        heads = here.replica.index.place("x").heads
        here.replica.tree.broken = True
        answer = await here.ask(SetMtime(id=1, path="x", mtime_ns=10**18))
        assert answer.reason is Reason.IO_ERROR
        here.replica.tree.broken = False
        await here.replica.rescan("x")
        await here.replica.settle("x")
        assert here.replica.index.place("x").heads == heads
        assert (here.root / "x").stat().st_mtime_ns == 5
        assert not here.replica.index.intents


class CannotRead(Tree):
    broken = False

    def read(self, path):
        if self.broken:
            raise OSError(5, "Input/output error")
        return super().read(path)


async def test_what_was_cut_off_and_cannot_be_read_at_the_start_stays_in_doubt(tmp_path):
    """The start is not held up, and what a peer made does not become ours when it can be read again."""
    async with OpenReplica(tmp_path) as here:
        hold(here, b"theirs")
        here.hear("x", (remote_head(b"theirs"),))
        seen = here.index.place("x").heads[0].seen
        here.index.intend(Intent(path="x", content_id=content_id_of(b"theirs"), seen=seen))
        await here.index.durable()
        (here.tree.root / "x").write_bytes(b"theirs")  # and then it was killed
    async with OpenReplica(tmp_path, CannotRead) as here:
        here.tree.broken = True
        assert await replay_intents(here) == 1
        assert set(here.doubtful) == {"x"}
        here.tree.broken = False
        await here.rescan("x")
        (head,) = here.index.place("x").heads
        assert head.dot.node == "there"
        assert here.index.place("x").row is not None
        assert not here.index.intents
        assert not here.doubtful


class RemovesAndFails(Tree):
    """The name goes, and then the fsync of its folder fails; it is asked for again later."""

    broken = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.synced = []

    def take_out(self, *arguments):
        moved = super().take_out(*arguments)
        if self.broken:
            self.broken = False
            raise OSError(5, "Input/output error")
        return moved

    def make_name_durable(self, path):
        self.synced.append(path)
        super().make_name_durable(path)


async def test_a_removal_that_failed_is_made_durable_before_it_is_known(tmp_path):
    """Else a power cut brings the file back, and the scan takes it for somebody's new one."""
    async with OpenReplica(tmp_path, RemovesAndFails) as here:
        hold(here, b"old")
        here.hear("x", (remote_head(b"old"),))
        await here.settle("x")
        here.hear("x", (remote_head(None, sequence=2),))
        with pytest.raises(OSError, match="Input/output"):
            await here.settle("x")
        assert here.index.place("x").row is not None
        await here.settle("x")
        assert here.index.place("x").row is None
        assert here.tree.synced == ["x"]
