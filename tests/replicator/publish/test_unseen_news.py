"""What comes to be known while an upload waits for its copies was seen by nobody here: it is kept as a conflict."""

import asyncio

import msgspec
import pytest

from cluster.content_id import content_id_of
from cluster.publish import Done, SetMtime
from replicator.core.head import losers, winner
from replicator.disk.tree import Tree
from replicator.restart import replay_intents
from tests.kit.publish_client import tree
from tests.kit.replica import FakeLink, OpenReplica, hold, remote_head
from tests.replicator.publish.test_publishing import desk
from tests.replicator.publish.test_unseen_writes import kept

pytestmark = pytest.mark.asyncio


class Meanwhile(FakeLink):
    """A peer that, while it prepares the next change, has something else happen."""

    happens = None

    def view(self, now_s):
        return msgspec.structs.replace(super().view(now_s), connected=True)

    async def prepare(self, path, offer, timeout_s):
        await self._happen()
        await super().prepare(path, offer, timeout_s)

    async def prepare_small(self, files, timeout_s):
        await self._happen()
        await super().prepare_small(files, timeout_s)

    async def _happen(self):
        happens, self.happens = self.happens, None
        if happens is not None:
            await happens()


def told(here, content, **how):
    """A peer tells of a version of `x`."""

    async def happens():
        here.replica.hear("x", (remote_head(content, **how),))

    return happens


def shown_too(here, content, **how):
    """And the disk shows it already."""

    async def happens():
        await told(here, content, **how)()
        hold(here.replica, content)
        await here.replica.settle("x")
        assert tree(here.root) == {"x": content}

    return happens


def heads(here):
    return {head.content_id for head in here.replica.index.place("x").heads}


@pytest.mark.parametrize("first", [None, b"seen"], ids=["a new file", "a file that is replaced"])
@pytest.mark.parametrize("happens", [told, shown_too])
@pytest.mark.parametrize("replaces", [False, True], ids=["made beside it", "made in its place"])
async def test_a_version_that_comes_while_an_upload_waits_is_not_superseded(tmp_path, first, happens, replaces):
    peer = Meanwhile("a")
    async with desk(tmp_path, peer) as here:
        saw = {}
        if first is not None:
            await here.upload("x", first)
            saw = winner(here.replica.index.place("x").heads).seen if replaces else {}
        stamp_ns = here.replica.index.clock.stamp_ns + 1
        peer.happens = happens(here, b"unseen", stamp_ns=stamp_ns, saw=saw)
        assert isinstance(await here.upload("x", b"uploaded"), Done)
        assert tree(here.root) == {"x": b"uploaded"}
        assert heads(here) == {content_id_of(b"uploaded"), content_id_of(b"unseen")}
        await here.replica.settle("x")
        assert content_id_of(b"unseen") in {one.content_id for one in here.replica.index.conflicts.values()}
        if happens is shown_too:
            assert b"unseen" in kept(here)


async def test_of_two_uploads_at_once_the_one_that_the_other_did_not_see_is_kept(tmp_path):
    async with desk(tmp_path, FakeLink("a")) as here:
        contents = {"up-a": b"one", "up-b": b"two"}
        for staged, content in contents.items():
            (here.replica.staging.folder / staged).write_bytes(content)
        uploads = (here.upload("x", content, staged=staged) for staged, content in contents.items())
        assert all(isinstance(answer, Done) for answer in await asyncio.gather(*uploads))
        (shown,) = tree(here.root).values()
        assert kept(here) == [content for content in contents.values() if content != shown]


NO_CONFLICTS = {
    "the same content as the upload": lambda here: told(here, b"uploaded"),
    "the content that the upload replaces": lambda here: told(here, b"seen"),
    "another time of that": lambda here: lambda: here.ask(SetMtime(id=2, path="x", mtime_ns=77)),
    "a removal": lambda here: told(here, None),
}


@pytest.mark.parametrize("what", NO_CONFLICTS)
async def test_what_comes_meanwhile_and_loses_nothing_is_no_conflict(tmp_path, what):
    peer = Meanwhile("a")
    async with desk(tmp_path, peer) as here:
        await here.upload("x", b"seen")
        peer.happens = NO_CONFLICTS[what](here)
        assert isinstance(await here.upload("x", b"uploaded"), Done)
        assert heads(here) == {content_id_of(b"uploaded")}
        assert kept(here) == []
        assert tree(here.root) == {"x": b"uploaded"}


async def test_an_upload_after_it_was_told_of_replaces_it(tmp_path):
    async with desk(tmp_path, FakeLink("a")) as here:
        await told(here, b"known")()
        assert isinstance(await here.upload("x", b"uploaded"), Done)
        assert heads(here) == {content_id_of(b"uploaded")}
        assert losers(here.replica.index.place("x").heads) == ()


class Watched(Tree):
    """A disk that says when it is about to be changed."""

    def put(self, *arguments):
        self.on_put()
        return super().put(*arguments)

    on_put = staticmethod(lambda: None)


async def test_an_upload_that_a_crash_cuts_off_supersedes_no_more_at_the_next_start(tmp_path):
    peer, intents = Meanwhile("a"), []
    async with desk(tmp_path, peer, disk=Watched) as here:
        await here.upload("x", b"seen")
        peer.happens = told(here, b"unseen", stamp_ns=5)
        here.replica.tree.on_put = lambda: intents.extend(here.replica.index.intents.values())
        await here.upload("x", b"uploaded")
    (tmp_path / "again").mkdir()
    async with OpenReplica(tmp_path / "again") as again:
        again.hear("x", (remote_head(b"unseen", stamp_ns=5),))
        (again.tree.root / "x").write_bytes(b"uploaded")
        again.index.intend(intents[0])
        assert await replay_intents(again) == 1
        assert {head.content_id for head in again.index.place("x").heads} == {
            content_id_of(b"uploaded"),
            content_id_of(b"unseen"),
        }
