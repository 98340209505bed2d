"""A program writes past the replicator, and a client's change comes before anybody has noticed: nothing is lost."""

import msgspec
import pytest

from cluster.content_id import content_id_of
from cluster.publish import Done, MakeDirectory, Reason, Refused, Remove, Rename
from replicator.core.head import winner
from tests.kit.publish_client import tree
from tests.kit.replica import FakeLink, remote_head
from tests.replicator.publish.test_publishing import desk

pytestmark = pytest.mark.asyncio


def kept(here):
    return [
        (here.replica.tree.conflicts / conflict.kept).read_bytes() for conflict in here.replica.index.conflicts.values()
    ]


async def test_what_an_upload_replaces_unseen_is_kept(tmp_path):
    async with desk(tmp_path) as here:
        (here.root / "x").write_bytes(b"written by a program")
        assert isinstance(await here.upload("x", b"uploaded", nodes="local"), Done)
        assert tree(here.root) == {"x": b"uploaded"}
        assert kept(here) == [b"written by a program"]


async def test_what_an_upload_replaces_knowingly_is_no_conflict(tmp_path):
    async with desk(tmp_path) as here:
        await here.upload("x", b"first", nodes="local")
        (here.root / "x").write_bytes(b"first")  # the same again, with another time
        assert isinstance(await here.upload("x", b"second", nodes="local"), Done)
        assert tree(here.root) == {"x": b"second"}
        assert kept(here) == []


async def test_an_upload_over_a_file_that_vanished_unseen_is_published(tmp_path):
    async with desk(tmp_path) as here:
        await here.upload("x", b"first", nodes="local")
        (here.root / "x").unlink()
        assert isinstance(await here.upload("x", b"second", nodes="local"), Done)
        assert tree(here.root) == {"x": b"second"}


async def test_an_upload_over_a_folder_that_was_made_unseen_is_refused(tmp_path):
    async with desk(tmp_path) as here:
        (here.root / "x").mkdir()
        answer = await here.upload("x", b"uploaded", nodes="local")
        assert isinstance(answer, Refused)
        assert tree(here.root) == {"x": None}


async def test_a_folder_does_not_replace_a_file_that_was_written_unseen(tmp_path):
    async with desk(tmp_path) as here:
        (here.root / "d").write_bytes(b"written by a program")
        answer = await here.ask(MakeDirectory(id=1, path="d"))
        assert isinstance(answer, Refused)
        assert tree(here.root) == {"d": b"written by a program"}


async def test_a_removal_does_not_remove_what_was_written_unseen_before_it_is_asked_again(tmp_path):
    async with desk(tmp_path) as here:
        await here.upload("x", b"first", nodes="local")
        (here.root / "x").write_bytes(b"written by a program")
        assert (await here.ask(Remove(id=1, path="x", kind="file"))).reason is Reason.CHANGED
        assert tree(here.root) == {"x": b"written by a program"}
        assert isinstance(await here.ask(Remove(id=1, path="x", kind="file")), Done)
        assert tree(here.root) == {}
        assert not here.replica.index.is_live("x")


async def test_a_rename_does_not_replace_what_was_written_to_its_target_unseen(tmp_path):
    async with desk(tmp_path) as here:
        await here.upload("x", b"moves", nodes="local")
        (here.root / "y").write_bytes(b"written by a program")
        answer = await here.ask(Rename(id=1, source="x", target="y"))
        assert isinstance(answer, Refused)
        assert answer.reason is Reason.EXISTS or answer.reason is Reason.CHANGED
        assert tree(here.root) == {"x": b"moves", "y": b"written by a program"}


async def test_an_upload_to_the_name_of_a_link_is_refused_and_the_link_stays(tmp_path):
    async with desk(tmp_path) as here:
        (here.root / "x").symlink_to(tmp_path)
        answer = await here.upload("x", b"uploaded", nodes="local")
        assert isinstance(answer, Refused)
        assert answer.reason is Reason.EXISTS
        assert (here.root / "x").is_symlink()


class TellsMeanwhile(FakeLink):
    """A peer that, while it prepares a change, tells of a file that has lost on that path: nobody has seen it here."""

    def tell(self, replica, path):
        self.tells = lambda: replica.hear(path, (remote_head(b"unseen", stamp_ns=5),))

    def view(self, now_s):
        return msgspec.structs.replace(super().view(now_s), connected=True)

    async def prepare(self, path, offer, timeout_s):
        self.tells()
        self.tells = lambda: None
        await super().prepare(path, offer, timeout_s)

    tells = staticmethod(lambda: None)


@pytest.mark.parametrize(
    "change", [Remove(id=1, path="x", kind="file"), Rename(id=1, source="x", target="y")], ids=["removal", "rename"]
)
async def test_what_comes_to_be_known_while_a_removal_waits_for_its_copies_is_not_removed(tmp_path, change):
    peer = TellsMeanwhile("a")
    async with desk(tmp_path, peer) as here:
        await here.upload("x", b"seen")
        peer.tell(here.replica, "x")
        assert isinstance(await here.ask(change), Done)
        shown = winner(here.replica.index.place("x").heads)
        assert shown.content_id == content_id_of(b"unseen")
        assert tree(here.root) == ({"y": b"seen"} if isinstance(change, Rename) else {})
