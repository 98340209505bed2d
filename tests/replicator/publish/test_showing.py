"""An upload that is renamed while it waits for its peers is acknowledged when they show its new name."""

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from cluster.publish import Done, MakeDirectory, Policy, Rename
from replicator.peers.connection import PeerError
from tests.kit.publish_client import tree
from tests.kit.replica import FakeLink
from tests.replicator.publish.test_batches import publish_all
from tests.replicator.publish.test_publishing import desk

pytestmark = pytest.mark.asyncio
LOCAL = Policy(nodes="local")


class Peer(FakeLink):
    """Before it says that it shows something, another client renames it here: once to each of these names."""

    def __init__(self, *names, fails_at=""):
        super().__init__("a")
        self._renames = list(pairwise(names))
        self._fails_at = fails_at

    async def commit(self, entries, timeout_s):
        if self._fails_at in {entry.path for entry in entries}:
            raise PeerError("No space left on device")
        await super().commit(entries, timeout_s)
        self.live = {entry.path for entry in entries if any(head.is_live for head in entry.heads)}
        if self._renames:
            source, target = self._renames.pop(0)
            assert isinstance(await self.here.ask(Rename(id=9, source=source, target=target, policy=LOCAL)), Done)


@asynccontextmanager
async def desk_with(folder, peer):
    async with desk(folder, peer) as here:
        peer.here = here
        yield here


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(
    ("names", "told", "where"),
    [
        ((), [], "d/x"),
        (("d", "e"), ["e", "e/x"], "e/x"),
        (("d/x", "y"), ["y"], "y"),
        (("d", "e", "f"), ["e", "e/x", "f", "f/x"], "f/x"),
        (("d", "e", "d"), ["e", "e/x", "d", "d/x"], "d/x"),  # back, where the peer may have put it away meanwhile
    ],
)
async def test_the_wait_follows_each_rename(tmp_path, names, told, where, again):
    peer = Peer(*names)
    async with desk_with(tmp_path, peer) as here:
        first = ["d", "d/x"]
        if again:  # then the folder is nothing new, and not waited for
            assert isinstance(await here.upload("d/x", b"content", nodes="local"), Done)
            first, told = ["d/x"], [path for path in told if path not in {"d", "e", "f"}]
        answer = await here.upload("d/x", b"content")
        assert (answer.copies, peer.committed) == (2, [*first, *told])
        assert where in peer.live
        assert tree(here.root)[where] == b"content"


async def test_a_peer_that_does_not_show_the_new_name_is_no_copy(tmp_path):
    async with desk_with(tmp_path, Peer("d", "e", fails_at="e/x")) as here:
        assert (await here.upload("d/x", b"content")).copies == 1


@pytest.mark.parametrize(("fails_at", "copies"), [("", 2), ("g", 1)])
async def test_of_many_at_once_the_one_that_is_renamed_is_followed(tmp_path, fails_at, copies):
    names = [f"f{number}" for number in range(20)]
    peer = Peer("f7", "g", fails_at=fails_at)
    async with desk_with(tmp_path, peer) as here:
        answers = dict(zip(names, await publish_all(here, names), strict=True))
        assert answers.pop("f7").copies == copies
        assert {answer.copies for answer in answers.values()} == {2}
        assert ("g" in peer.committed) is not bool(fails_at)


async def test_what_is_renamed_without_end_is_waited_for_no_longer_than_anything(tmp_path):
    async with desk_with(tmp_path, Peer(*(f"d{number}" for number in range(1000)))) as here:
        answer = await asyncio.wait_for(here.upload("d0/x", b"content"), 20.0)
        assert answer.copies == 1


async def test_a_folder_that_is_renamed_while_it_is_made_is_shown_by_its_new_name(tmp_path):
    peer = Peer("d", "e")
    async with desk_with(tmp_path, peer) as here:
        assert (await here.ask(MakeDirectory(id=1, path="d"))).copies == 2
        assert peer.committed == ["d", "e"]
