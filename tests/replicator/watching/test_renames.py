"""What a program renames past the replicator is told under its new name before its old one goes."""

import pytest

from cluster.content_id import content_id_of
from replicator.core.head import Kind, winner
from replicator.disk.tree import Tree, UnstableError
from replicator.watching.scan import Scan
from replicator.watching.watch import Watch
from tests.kit.replica import OpenReplica, hold, remote_head

pytestmark = pytest.mark.asyncio


async def shown(replica, *paths):
    for number, path in enumerate(paths, 1):
        hold(replica, path.encode())
        replica.hear(path, (remote_head(path.encode(), sequence=number),))
        await replica.settle(path)


def kind_of(replica, path):
    head = winner(replica.index.place(path).heads)
    return head and head.kind


def told(replica, *paths):
    """In which order peers are told of them."""
    return sorted(paths, key=lambda path: replica.index.place(path).announced)


@pytest.mark.parametrize("marked", [True, False])
async def test_a_new_name_that_rests_yet_is_told_before_the_old_one_goes(tmp_path, marked):
    async with OpenReplica(tmp_path) as here:
        await shown(here, "old", "gone")
        watch = Watch(here.tree.root)
        (here.tree.root / "old").rename(here.tree.root / "new")
        (here.tree.root / "gone").unlink()
        (here.tree.root / "other").write_bytes(b"its writer is not done")
        watch.mark("other")
        if marked:
            watch.mark("new")
        await Scan(here, watch, missing_is_deleted=False).delete(["old", "gone"], [] if marked else ["new"])
        assert kind_of(here, "old") is kind_of(here, "gone") is Kind.TOMBSTONE
        assert here.index.place("new").row.content_id == content_id_of(b"old")
        assert told(here, "gone", "new", "old") == ["new", "old", "gone"]
        assert kind_of(here, "other") is None


async def test_what_takes_the_place_of_its_folder_comes_when_that_is_empty(tmp_path):
    async with OpenReplica(tmp_path) as here:
        here.hear("d", (remote_head(b"", kind=Kind.DIRECTORY, sequence=100),))
        await shown(here, "d/x")
        root, watch = here.tree.root, Watch(here.tree.root)
        (root / "d/x").rename(root / "y")
        (root / "d").rmdir()
        (root / "y").rename(root / "d")
        watch.mark("d")
        await Scan(here, watch, missing_is_deleted=False).delete(["d/x"])
        assert kind_of(here, "d/x") is Kind.TOMBSTONE
        assert kind_of(here, "d") is Kind.DIRECTORY
        assert watch.resting() == ["d"]


async def test_files_that_are_rotated_are_looked_at_from_the_oldest_on(tmp_path):
    watch = Watch(tmp_path)
    for source, target in (("log.1", "log.2"), ("log", "log.1")):
        watch.mark(source, deleted=True)
        watch.mark(target)
    watch.mark("log")
    assert list(watch.take(0.0).paths) == ["log.2", "log.1", "log"]


class BadDisk(Tree):
    trouble = None

    def read(self, path):
        if self.trouble is not None:
            raise self.trouble
        return super().read(path)


@pytest.mark.parametrize(
    ("trouble", "is_removed_later"),
    [(UnstableError("it is changing"), True), (OSError(5, "Input/output error"), False)],
)
async def test_while_the_new_name_cannot_be_read_the_old_one_is_not_removed(tmp_path, trouble, is_removed_later):
    async with OpenReplica(tmp_path, BadDisk) as here:
        here.hear("d", (remote_head(b"", kind=Kind.DIRECTORY, sequence=100),))
        await shown(here, "d/old")
        root, watch, here.tree.trouble = here.tree.root, Watch(here.tree.root), trouble
        (root / "d/old").rename(root / "new")
        (root / "d").rmdir()
        await Scan(here, watch, missing_is_deleted=False).delete(["d"], ["new"])
        assert kind_of(here, "d/old") is Kind.FILE
        assert kind_of(here, "d") is Kind.DIRECTORY
        assert kind_of(here, "new") is None
        assert sorted(watch.removed()) == (["d", "d/old"] if is_removed_later else [])
        assert watch.resting() == (["new"] if is_removed_later else [])
