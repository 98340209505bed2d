"""Quotas at the publish desk: refused before anything changes, given back, never taken twice on one node."""

import asyncio

import pytest

from cluster.content_id import content_id_of
from cluster.health import NodeState
from cluster.publish import (
    Copies,
    DescribedFiles,
    DescribeFiles,
    Done,
    MakeDirectory,
    Measure,
    Measured,
    Publish,
    Reason,
    Refused,
    Remove,
    Rename,
)
from cluster.quota import Quota, Usage
from replicator.core.head import Kind
from replicator.disk.tree import Tree
from tests.kit.publish_client import tree
from tests.kit.replica import FakeLink, remote_head
from tests.replicator.publish.test_publishing import BROKEN, desk

pytestmark = pytest.mark.asyncio
TEN = Quota(home="Station", bytes=10)
THREE = Quota(home="Station", entries=3)


def is_over(answer):
    return isinstance(answer, Refused) and answer.reason is Reason.OVER_QUOTA


async def test_what_does_not_fit_is_refused_and_neither_the_tree_nor_a_peer_changes(tmp_path):
    peer = FakeLink("a")
    async with desk(tmp_path, peer) as here:
        assert isinstance(await here.upload("Station/x", b"12345678", quota=TEN), Done)
        told = len(peer.prepared)
        answer = await here.upload("Station/y", b"123", quota=TEN)
        assert is_over(answer)
        assert answer.text == "Station/y: 8 of 10 bytes are used, and this would add 3"
        assert tree(here.root) == {"Station": None, "Station/x": b"12345678"}
        assert here.staged == []
        assert len(peer.prepared) == told
        assert isinstance(await here.upload("Station/y", b"12", quota=TEN), Done)


async def test_a_file_that_is_replaced_removed_or_shrunk_gives_back_its_bytes(tmp_path):
    async with desk(tmp_path) as here:
        await here.upload("Station/x", b"1234567890", quota=TEN)
        assert isinstance(await here.upload("Station/x", b"0987654321", quota=TEN), Done)
        assert is_over(await here.upload("Station/x", b"0987654321+", quota=TEN))
        assert tree(here.root)["Station/x"] == b"0987654321"
        assert isinstance(await here.upload("Station/x", b"123456", quota=TEN), Done)
        assert isinstance(await here.upload("Station/y", b"1234", quota=TEN), Done)
        await here.ask(Rename(id=1, source="Station/y", target="Station/x"))
        assert isinstance(await here.upload("Station/z", b"123456", quota=TEN), Done)
        await here.ask(Remove(id=1, path="Station/x", kind="file"))
        assert isinstance(await here.upload("Station/y", b"1234", quota=TEN), Done)
        assert is_over(await here.upload("Station/w", b"1", quota=TEN))


async def test_the_same_upload_again_is_never_over_quota(tmp_path):
    """A balancer repeats an upload whose answer was lost."""
    async with desk(tmp_path) as here:
        await here.upload("Station/x", b"1234567890", quota=TEN)
        smaller = Quota(home="Station", bytes=1)
        assert isinstance(await here.upload("Station/x", b"1234567890", quota=smaller), Done)


async def test_files_and_directories_are_entries(tmp_path):
    async with desk(tmp_path) as here:
        assert isinstance(await here.ask(MakeDirectory(id=1, path="Station", quota=THREE)), Done)
        assert isinstance(await here.ask(MakeDirectory(id=1, path="Station/d", quota=THREE)), Done)
        assert is_over(await here.upload("Station/e/f/x", b"", quota=THREE)), "its folders count too"
        assert isinstance(await here.upload("Station/d/x", b"1", quota=THREE), Done)
        assert isinstance(await here.upload("Station/d/y", b"2", quota=THREE), Done)
        assert is_over(await here.upload("Station/d/z", b"3", quota=THREE))
        assert is_over(await here.ask(MakeDirectory(id=1, path="Station/e", quota=THREE)))
        assert isinstance(await here.upload("Station/d/y", b"replaced", quota=THREE), Done)


async def test_accounts_with_one_home_share_what_is_used_and_each_has_its_own_bound(tmp_path):
    generous = Quota(home="Station", bytes=100)
    async with desk(tmp_path) as here:
        await here.upload("Station/x", bytes(50), quota=generous)
        assert is_over(await here.upload("Station/y", b"1", quota=TEN))
        assert isinstance(await here.upload("Station/y", bytes(50), quota=generous), Done)
        assert is_over(await here.upload("Station/z", b"1", quota=generous))


async def test_a_home_in_a_home_counts_for_both_and_a_neighbour_for_neither(tmp_path):
    inner = Quota(home="Station/ABCD", bytes=100)
    async with desk(tmp_path) as here:
        await here.upload("Station2/x", bytes(500))
        await here.upload("Station/ABCD/x", bytes(9), quota=inner)
        assert isinstance(await here.upload("Station/y", b"1", quota=TEN), Done)
        assert is_over(await here.upload("Station/z", b"1", quota=TEN))
        assert isinstance(await here.upload("Station/ABCD/y", bytes(91), quota=inner), Done)
        assert is_over(await here.upload("Station/ABCD/z", b"1", quota=inner))
        await here.ask(Remove(id=1, path="Station/ABCD/y", kind="file"))
        await here.ask(Remove(id=1, path="Station/ABCD/x", kind="file"))
        assert isinstance(await here.upload("Station/z", bytes(9), quota=TEN), Done)


async def test_what_peers_announce_counts_before_its_content_is_here(tmp_path):
    async with desk(tmp_path) as here:
        here.replica.hear("Station", (remote_head(b"", kind=Kind.DIRECTORY),))
        here.replica.hear("Station/x", (remote_head(b"12345678", sequence=2),))
        assert is_over(await here.upload("Station/y", b"123", quota=TEN))
        answer = await here.ask(Measure(id=4, folder="Station", path="Station/x"))
        assert answer == Measured(id=4, used=Usage(8, 1), file_bytes=8)


class FailingDisk(Tree):
    """Its next `failures` files cannot be put in their place."""

    failures = 0

    def put(self, *arguments):
        if self.failures:
            self.failures -= 1
            raise OSError(5, "broken")
        return super().put(*arguments)


async def test_two_uploads_at_once_on_one_node_do_not_both_take_the_last_place(tmp_path):
    async with desk(tmp_path) as here:
        staging = here.replica.staging.folder

        async def upload(number):
            name = f"up-{number}"
            (staging / name).write_bytes(b"1234567")
            return await here.ask(
                Publish(
                    id=number,
                    path=f"Station/{number}",
                    staged=name,
                    content_id=content_id_of(b"1234567"),
                    size_bytes=7,
                    mtime_ns=5,
                    quota=TEN,
                )
            )

        answers = await asyncio.gather(*(upload(number) for number in range(5)))
        assert sum(isinstance(answer, Done) for answer in answers) == 1
        assert sum(map(is_over, answers)) == 4
        assert len(tree(here.root)) == 2


async def test_what_failed_takes_no_place(tmp_path):
    async with desk(tmp_path, FakeLink("a", prepare=BROKEN), disk=FailingDisk) as here:
        assert (await here.upload("Station/x", bytes(9), "refuse", quota=TEN)).reason is Reason.TOO_FEW_COPIES
        here.replica.tree.failures = 1
        assert (await here.upload("Station/x", bytes(9), quota=TEN)).reason is Reason.IO_ERROR
        assert isinstance(await here.upload("Station/x", bytes(10), quota=TEN), Done)


async def test_measuring_waits_until_the_node_has_joined(tmp_path):
    async with desk(tmp_path, state=NodeState.JOINING) as here:
        assert (await here.ask(Measure(id=1, folder=""))).reason is Reason.NOT_READY


async def test_many_files_are_described_by_one_question(tmp_path):
    async with desk(tmp_path, FakeLink("a")) as here:
        for name in ("d/x", "d/y", "z"):
            await here.upload(name, name.encode())
        answer = await here.ask(DescribeFiles(id=3, folder="d", names=("x", "y", "missing", "e")))
        files = {name: Copies(content_id_of(f"d/{name}".encode()), 1) for name in "xy"}
        assert answer == DescribedFiles(id=3, files=files)
        answer = await here.ask(DescribeFiles(id=3, folder="", names=("z", "d")))
        assert answer == DescribedFiles(id=3, files={"z": Copies(content_id_of(b"z"), 1)})
