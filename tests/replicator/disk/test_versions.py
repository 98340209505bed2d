"""Replaced and deleted content is kept for a while, whoever replaced it, costs no copy, and comes back as it was."""

import os

import msgspec
import pytest

from cluster.content_id import content_id_of
from cluster.publish import Done, Publish
from cluster.replication_settings import Replication
from replicator.core.place import Found
from replicator.disk.conflict_store import kept_name
from replicator.operators.recovery import Recovery
from replicator.operators.report import list_conflicts, list_versions
from tests.kit.publish_client import tree
from tests.kit.replica import REMOTE, OpenReplica, hold, remote_head

pytestmark = pytest.mark.asyncio


async def shown(replica, path, content, sequence, saw=0, stamp_ns=10**18):
    if content is not None:
        hold(replica, content)
    replica.hear(path, (remote_head(content, sequence=sequence, saw={REMOTE: saw} if saw else {}, stamp_ns=stamp_ns),))
    await replica.settle(path)


def kept(replica):
    return {file.name: file.read_bytes() for file in replica.tree.versions.iterdir()}


def limited(replica, **limits):
    replica.versions._limits = Replication(**limits)


def rot(replica, path):
    """Other content, of which stat says nothing: as the index has it then."""
    file = replica.tree.root / path
    status = file.stat()
    file.write_bytes(b"rot")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    row = msgspec.structs.replace(replica.index.place(path).row, ctime_ns=file.stat().st_ctime_ns)
    replica.index.feed(path, Found(row=row, now_ns=0))


async def test_what_a_peer_replaces_and_deletes_is_kept_without_a_copy(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await shown(here, "x", b"one", 1)
        inode = (here.tree.root / "x").stat().st_ino
        await shown(here, "x", b"two", 2, saw=1)
        await shown(here, "x", None, 3, saw=2)
        assert tree(here.tree.root) == {}
        assert kept(here) == {content_id_of(b"one"): b"one", content_id_of(b"two"): b"two"}
        assert here.versions.file(content_id_of(b"one")).stat().st_ino == inode
        assert here.versions.file(content_id_of(b"two")).stat().st_nlink == 2  # spared in staging too, for a while
        listed = list_versions(here.index, here.versions, "x").versions
        assert [(one.content_id, one.deleted) for one in listed] == [
            (content_id_of(b"two"), True), (content_id_of(b"one"), False),
        ]  # fmt: skip


async def test_what_is_off_is_not_kept(tmp_path):
    async with OpenReplica(tmp_path) as here:
        limited(here, versions_days=0)
        await shown(here, "x", b"one", 1)
        await shown(here, "x", b"two", 2, saw=1)
        assert kept(here) == {}


async def test_content_of_two_paths_is_kept_once_until_the_last_of_them_goes(tmp_path):
    async with OpenReplica(tmp_path) as here:
        for number, path in enumerate(["x", "y"]):
            await shown(here, path, b"same", 10 + number)
            await shown(here, path, None, 20 + number, saw=10 + number)
        limited(here, versions_bytes=3)  # they are 4 bytes, counted once
        await here.versions.limit(short_of_space=False)
        assert kept(here) == {}
        assert not here.index.versions


async def test_the_oldest_go_first_and_all_where_the_disk_is_short(tmp_path):
    async with OpenReplica(tmp_path) as here:
        for number, content in enumerate([b"aaaa", b"bbbb", b"cccc", b"dddd"], 1):
            await shown(here, "x", content, number, saw=number - 1)
        limited(here, versions_bytes=8)
        await here.versions.limit(short_of_space=False)
        assert set(kept(here).values()) == {b"bbbb", b"cccc"}
        await here.versions.limit(short_of_space=True)
        assert kept(here) == {}


async def test_a_restart_knows_them_and_sweeps_what_a_crash_left(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await shown(here, "x", b"one", 1)
        await shown(here, "x", b"two", 2, saw=1)
        await shown(here, "x", b"three", 3, saw=2)
        (here.tree.versions / ("0" * 64)).write_bytes(b"linked, and cut off")
        (here.tree.versions / content_id_of(b"two")).unlink()
    async with OpenReplica(tmp_path) as here:
        await here.versions.sweep(lambda _content: ())
        assert kept(here) == {content_id_of(b"one"): b"one"}
        assert [version.content_id for version in here.versions.of("x")] == [content_id_of(b"one")]


@pytest.mark.parametrize("is_listed", [True, False])
async def test_what_has_rotted_in_the_tree_is_no_new_version_when_its_name_here_goes(tmp_path, is_listed):
    """A change that fails leaves both names, listed; a power cut brings one back that is not listed any more."""
    async with OpenReplica(tmp_path) as here:
        await shown(here, "x", b"one", 1)
        await here.versions.keep("x", here.index.place("x"), "two")
        rot(here, "x")
        if is_listed:
            await here.versions.limit(short_of_space=True)
        else:
            here.versions._drop(here.index.versions["x", content_id_of(b"one")])
            await here.versions.sweep(lambda _content: ())
        assert kept(here) == {}
        await here.rescan("x")
        place = here.index.place("x")
        assert [head.content_id for head in place.heads] == [place.row.content_id] == [content_id_of(b"one")]
        assert place.row.ctime_ns == (here.tree.root / "x").stat().st_ctime_ns


async def test_names_that_are_no_content_ids_are_swept(tmp_path):
    async with OpenReplica(tmp_path) as here:
        (here.tree.versions / "stray").write_bytes(b"")
        (here.tree.conflicts / "stray").write_bytes(b"")
        await here.versions.sweep(lambda _content: ())
        await here.conflicts.sweep()
        assert kept(here) == {}


async def test_a_version_that_is_kept_is_not_fetched_again(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await shown(here, "x", b"one", 1)
        await shown(here, "x", b"two", 2, saw=1)
        here.hear("y", (remote_head(b"one", sequence=3),))
        await here.settle("y")
        assert tree(here.tree.root) == {"x": b"two", "y": b"one"}
        assert list(kept(here).values()) == [b"one"]


async def test_what_was_renamed_is_no_version_of_its_old_path(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await shown(here, "x", b"one", 1)
        await shown(here, "x", None, 2, saw=1)
        assert list(kept(here).values()) == [b"one"]
        here.hear("y", (remote_head(b"one", sequence=3),))
        await here.settle("y")
        assert (here.tree.root / "y").stat().st_nlink == 1
        assert kept(here) == {}
        assert not here.index.versions


async def test_a_damaged_version_is_not_brought_back(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await shown(here, "x", b"one", 1)
        await shown(here, "x", None, 2, saw=1)
        here.versions.file(content_id_of(b"one")).write_bytes(b"eno")
        with pytest.raises(ValueError, match="damaged"):
            await Recovery(here, None).restore_version("x", content_id_of(b"one"), "x")
        with pytest.raises(ValueError, match="no version"):
            await Recovery(here, None).restore_version("x", content_id_of(b"two"), "x")
        assert not list(here.tree.staging.glob("again-*"))


async def test_a_restored_version_goes_the_way_of_an_upload_with_its_time(tmp_path):
    asked = []

    async def publish(request):
        asked.append((request.path, request.mtime_ns, (here.tree.staging / request.staged).read_bytes()))
        assert isinstance(request, Publish)
        return Done(id=0, copies=2, wanted=2)

    async with OpenReplica(tmp_path) as here:
        await shown(here, "x", b"one", 1)
        await shown(here, "x", None, 2, saw=1)
        restored = await Recovery(here, publish).restore_version("x", content_id_of(b"one"), "again")
        assert (restored.path, restored.copies) == ("again", 2)
        assert asked == [("again", 10**15, b"one")]


async def in_conflict(replica, path, sequence):
    """Ours wins, theirs is kept."""
    (replica.tree.root / path).write_bytes(b"mine")
    await replica.rescan(path)
    await shown(replica, path, b"theirs", sequence, stamp_ns=sequence)


async def test_a_discarded_conflict_is_not_listed_nor_kept_again_but_another_one_with_its_content_is(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await in_conflict(here, "x", 1)
        (listed,) = list_conflicts(here.index).conflicts
        assert await Recovery(here, None).discard_conflict(listed.id) == 1
        assert await Recovery(here, None).discard_conflict(listed.id) == 0
        assert not list(here.tree.conflicts.iterdir())
        await here.settle("x")
    async with OpenReplica(tmp_path) as here:
        await here.settle("x")
        assert not list_conflicts(here.index).conflicts
        await shown(here, "x", b"theirs", 2, saw=1, stamp_ns=2)
        (listed,) = list_conflicts(here.index).conflicts
        assert (here.tree.root / listed.file).read_bytes() == b"theirs"


async def test_what_two_paths_keep_under_one_name_stays_until_both_are_discarded(tmp_path):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "d").mkdir()
        for number, path in enumerate(["x", "d/x"], 1):
            await in_conflict(here, path, number)
        one, other = list_conflicts(here.index).conflicts
        assert one.file == other.file
        await Recovery(here, None).discard_conflict(one.id)
        assert (here.tree.conflicts / kept_name("x", content_id_of(b"theirs"))).read_bytes() == b"theirs"
        await Recovery(here, None).discard_conflict(other.id)
        assert not list(here.tree.conflicts.iterdir())
