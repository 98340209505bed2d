"""What a peer commits together is shown as it would be one by one, and what is left of it stays ready."""

import pytest

from cluster.content_id import content_id_of
from replicator.disk.tree import Tree
from replicator.transfers.installing import settle_prepared
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica, hold, remote_head

pytestmark = pytest.mark.asyncio
NAMES = [f"f{number}" for number in range(20)]


def prepare(replica, names=NAMES):
    for number, name in enumerate(names):
        hold(replica, name.encode())
        replica.hear_all([(name, (remote_head(name.encode(), sequence=number + 1),))], wake=False)


def files(replica):
    return {path: content for path, content in tree(replica.tree.root).items() if content is not None}


async def test_all_that_is_prepared_is_shown(tmp_path):
    async with OpenReplica(tmp_path) as here:
        prepare(here)
        assert sorted(await settle_prepared(here, NAMES)) == sorted(NAMES)
        assert files(here) == {name: name.encode() for name in NAMES}
        assert not here.index.pending
        assert not here.index.intents
        assert list(here.tree.staging.iterdir()) == []


async def test_what_is_not_plain_is_left_and_stays_ready(tmp_path):
    """No folder, a file that is replaced, content that never came, a tombstone."""
    async with OpenReplica(tmp_path) as here:
        prepare(here, ["there"])
        await here.settle("there")
        here.hear_all([("there", (remote_head(b"new", sequence=30),))], wake=False)
        hold(here, b"new")
        prepare(here, ["folder/x"])
        here.hear_all([("lacking", (remote_head(b"lacking", sequence=40),))], wake=False)
        here.hear_all([("gone", (remote_head(None, sequence=41),))], wake=False)
        prepare(here, ["plain"])
        paths = ["there", "folder/x", "lacking", "gone", "plain"]
        assert list(await settle_prepared(here, paths)) == ["plain"]
        assert files(here) == {"there": b"there", "plain": b"plain"}
        assert here.staging.has(content_id_of(b"new"))
        assert here.staging.has(content_id_of(b"folder/x"))
        for path in ("there", "folder/x"):
            await here.settle(path)
        assert files(here) == {"there": b"new", "plain": b"plain", "folder/x": b"folder/x"}


class OneFails(Tree):
    def put(self, folders, piece):
        if piece.path == "f7":
            raise OSError(5, "Input/output error")
        return super().put(folders, piece)


async def test_what_the_disk_does_not_take_stays_ready_and_is_looked_at_before_it_is_tried_again(tmp_path):
    async with OpenReplica(tmp_path, OneFails) as here:
        prepare(here)
        installed = await settle_prepared(here, NAMES)
        assert sorted(installed) == sorted(set(NAMES) - {"f7"})
        assert here.index.pending == {"f7"}
        assert here.staging.has(content_id_of(b"f7"))
        assert set(here.doubtful) == {"f7"}


async def test_a_file_of_somebody_else_is_in_the_way(tmp_path):
    async with OpenReplica(tmp_path) as here:
        prepare(here)
        (here.tree.root / "f7").write_bytes(b"somebody's")
        assert sorted(await settle_prepared(here, NAMES)) == sorted(set(NAMES) - {"f7"})
        assert (here.tree.root / "f7").read_bytes() == b"somebody's"
        await here.settle("f7")  # looks at the disk, and finds two versions
        contents = {file.read_bytes() for file in here.tree.conflicts.iterdir()}
        assert {files(here)["f7"], *contents} == {b"f7", b"somebody's"}
