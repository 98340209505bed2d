"""What was renamed or copied is never sent again: the content comes from where it lies on the same disk."""

import asyncio
import os
import random

import pytest

from cluster.clock import now_s
from cluster.content_id import content_id_of
from cluster.tree_path import parent
from replicator.not_yet import NotYetError
from replicator.peers.wire import Data, Want
from tests.kit.peers import peers
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica

pytestmark = pytest.mark.asyncio
LARGE = random.Random(1).randbytes(300_000)


async def tell(source, target, *paths):
    """What an Index message does: the target hears of these paths, and settles them in that order."""
    target.replica.hear_all([(path, source.replica.index.place(path).heads) for path in paths])
    for path in paths:
        await target.replica.settle(path)


async def tell_at_once(source, target, *paths):
    """As a large Index message does."""
    target.replica.hear_all([(path, source.replica.index.place(path).heads) for path in paths])
    await asyncio.gather(*(target.replica.settle(path) for path in paths))


async def alike(a, b, *paths):
    for path in paths:
        for folder in [path] if "/" not in path else [parent(path), path]:
            await tell(a, b, folder)


def given(peer):
    return sum(len(message.data) for message in peer.sent if isinstance(message, Data))


@pytest.mark.parametrize("order", [("new", "old"), ("old", "new")])
async def test_a_file_that_was_renamed_is_moved_whatever_is_heard_first(tmp_path, order):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        await a.write("old", LARGE)
        await alike(a, b, "old")
        inode, before = (b.root / "old").stat().st_ino, given(a)
        (a.root / "old").rename(a.root / "new")
        await a.replica.rescan("new")
        await a.replica.rescan("old", deleted=True)
        for path in order:  # one message each, and the second is not known when the first is settled
            await tell(a, b, path)
        assert tree(b.root) == {"new": LARGE}
        assert given(a) == before
        if order == ("old", "new"):
            assert (b.root / "new").stat().st_ino == inode


async def test_a_rename_heard_as_one_moves_the_file_itself(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        await a.write("old", LARGE)
        await alike(a, b, "old")
        inode = (b.root / "old").stat().st_ino
        (a.root / "old").rename(a.root / "new")
        await a.replica.rescan("new")
        await a.replica.rescan("old", deleted=True)
        await tell(a, b, "new", "old")
        assert tree(b.root) == {"new": LARGE}
        assert (b.root / "new").stat().st_ino == inode
        assert b.replica.index.place("old").row is None


async def test_a_renamed_folder_of_many_files_sends_no_content(tmp_path):
    names = [f"{number:03}" for number in range(200)]
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        (a.root / "before").mkdir()
        for name in names:
            await a.write(f"before/{name}", f"content of {name}".encode())
        await tell_at_once(a, b, "before", *(f"before/{name}" for name in names))
        assert tree(b.root) == tree(a.root)
        asked = len([message for message in b.sent if isinstance(message, Want)])
        (a.root / "before").rename(a.root / "after")
        for name in names:
            await a.replica.rescan(f"before/{name}", deleted=True)
            await a.replica.rescan(f"after/{name}")
        await a.replica.rescan("before", deleted=True)
        await tell_at_once(a, b, *(f"before/{name}" for name in names))
        await tell_at_once(a, b, "before", "after", *(f"after/{name}" for name in names))
        assert tree(b.root) == tree(a.root)
        assert len([message for message in b.sent if isinstance(message, Want)]) == asked == len(names)


async def test_a_copy_is_made_from_what_is_here(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        await a.write("x", LARGE)
        await alike(a, b, "x")
        before = given(a)
        await a.write("y", LARGE)
        await tell(a, b, "y")
        assert tree(b.root) == {"x": LARGE, "y": LARGE}
        assert (b.root / "x").stat().st_ino != (b.root / "y").stat().st_ino
        assert given(a) == before


async def test_the_same_new_content_at_two_paths_is_sent_once(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        for path in ("x", "y", "z"):
            await a.write(path, LARGE)
        b.replica.hear_all([(path, a.replica.index.place(path).heads) for path in "xyz"])
        await asyncio.gather(*(b.replica.settle(path) for path in "xyz"))
        assert tree(b.root) == dict.fromkeys("xyz", LARGE)
        assert given(a) == len(LARGE)


async def test_a_damaged_source_is_not_copied(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        await a.write("x", LARGE)
        await alike(a, b, "x")
        status = (b.root / "x").stat()
        with (b.root / "x").open("r+b") as file:
            file.write(b"rotten")
        os.utime(b.root / "x", ns=(status.st_mtime_ns, status.st_mtime_ns))
        await a.write("y", LARGE)
        await tell(a, b, "y")
        assert (b.root / "y").read_bytes() == LARGE


async def test_a_file_with_a_second_name_is_removed_and_not_moved(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        await a.write("x", LARGE)
        await alike(a, b, "x")
        (b.replica.tree.conflicts / "kept").hardlink_to(b.root / "x")
        await b.replica.rescan("x")
        (a.root / "x").unlink()
        await a.replica.rescan("x", deleted=True)
        await tell(a, b, "x")
        assert tree(b.root) == {}
        assert list(b.replica.staging.folder.iterdir()) == []


async def test_what_was_removed_is_spared_for_a_minute(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        await a.write("x", LARGE)
        await alike(a, b, "x")
        (a.root / "x").unlink()
        await a.replica.rescan("x", deleted=True)
        await tell(a, b, "x")
        b.replica.staging.expire(now_s() + 50, 3600)
        assert len(list(b.replica.staging.folder.iterdir())) == 1
        b.replica.staging.expire(now_s() + 70, 3600)
        assert list(b.replica.staging.folder.iterdir()) == []


async def test_content_that_is_only_staged_here_is_given_to_peers(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        head = await a.write("x", LARGE)
        await alike(a, b, "x")
        (b.root / "x").unlink()
        await b.replica.rescan("x", deleted=True)
        await tell(b, a, "x")
        held = await b.fetching.fetch("y", head.content_id, head.size_bytes)
        assert held.file.read_bytes() == LARGE


@pytest.mark.parametrize("mtime_ns", [915_148_799_123_456_789, 1, 4_102_444_800_000_000_007])
async def test_times_are_kept_to_the_nanosecond(tmp_path, mtime_ns):
    async with peers(tmp_path, "a", "b") as found:
        a, b = found["a"], found["b"]
        await a.write("x", LARGE)
        os.utime(a.root / "x", ns=(mtime_ns, mtime_ns))
        await a.replica.rescan("x")
        await tell(a, b, "x")
        assert (b.root / "x").stat().st_mtime_ns == mtime_ns


async def test_what_nobody_has_is_not_yet_there(tmp_path):
    async with peers(tmp_path, "a", "b") as found:
        with pytest.raises(NotYetError):
            await found["b"].fetching.fetch("y", "0" * 64, 10)


async def test_what_is_offered_from_a_folder_of_its_own_is_found_there(tmp_path):
    """Canaries are, and are no files of the tree."""
    async with OpenReplica(tmp_path) as here:
        canary = here.tree.root / ".tripod/canaries/here.1"
        canary.parent.mkdir()
        canary.write_bytes(b"canary")
        here.staging.offers[content_id_of(b"canary")] = canary
        assert list(here.sources.files(content_id_of(b"canary"))) == [canary]
