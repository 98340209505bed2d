"""The permissions of files and folders that replicas make: fixed, or kept from where they were written."""

import os
import stat

import msgspec
import pytest

from cluster.content_id import content_id_of
from cluster.replication_settings import Modes
from replicator.core.head import Kind, permissions
from replicator.core.place import Rest, Row, plan
from replicator.disk.tree import Tree
from replicator.peers.wire import Entry
from tests.kit.peers import QUICK, peers

KEEP = msgspec.structs.replace(QUICK, modes="keep")


@pytest.mark.parametrize(
    ("mode", "travels"),
    [(0, 0), (0o644, 0o644), (0o4755, 0o755), (0o2770, 0o770), (0o1777, 0o777), (0o444, 0o644), (0o077, 0o677),
     (0o100640, 0o640), (0o7000, 0), (-1, 0o777)],
)  # fmt: skip
def test_what_of_a_mode_travels(mode, travels):
    assert permissions(mode) == travels


def standing(path):
    return stat.S_IMODE(path.stat().st_mode)


def installed(tree, mode):
    staged = tree.staging / "staged"
    staged.write_bytes(b"new")
    wanted = Row(kind=Kind.FILE, content_id=content_id_of(b"new"), size_bytes=3, mtime_ns=5)
    tree.install(staged, "x", wanted, mode)
    return standing(tree.root / "x")


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
@pytest.mark.parametrize(
    ("modes", "of_a_file", "kept", "of_a_folder"),
    [
        (Modes(), 0o644, 0o644, 0o755),
        (Modes(files="0660", folders="0770"), 0o660, 0o660, 0o770),
        ("keep", 0o644, 0o751, 0o755),
    ],
)
def test_what_a_replica_makes_has_the_mode_that_is_set(tmp_path, umask, modes, of_a_file, kept, of_a_folder):
    tree = Tree(tmp_path, modes)
    tree.prepare()
    before = os.umask(umask)
    try:
        assert installed(tree, 0) == of_a_file
        assert installed(tree, 0o6751) == kept
        tree.make_folder("d")
        assert standing(tree.root / "d") == of_a_folder
    finally:
        os.umask(before)


async def told(source, target, path):
    """What one knows of a path comes to the other."""
    entry = Entry(path, source.replica.index.place(path).heads)
    target.replica.hear(entry.path, entry.heads)
    await target.replica.settle(path)


async def changed(peer, path, mode):
    """Somebody changes a mode there, and the replica looks."""
    (peer.root / path).chmod(mode)
    await peer.replica.rescan(path)


@pytest.mark.asyncio
async def test_where_modes_are_kept_they_go_with_the_file_and_after_it(tmp_path):
    async with peers(tmp_path, "one", "two", settings=KEEP) as found:
        one, two = found["one"], found["two"]
        await one.write("x", b"content")
        await changed(one, "x", 0o4750)
        await told(one, two, "x")
        assert standing(two.root / "x") == 0o750
        assert standing(one.root / "x") == 0o4750
        inode = (two.root / "x").stat().st_ino
        await changed(one, "x", 0o640)
        await told(one, two, "x")
        assert (standing(two.root / "x"), (two.root / "x").stat().st_ino) == (0o640, inode)
        await two.replica.rescan("x")
        assert one.replica.index.place("x").heads == two.replica.index.place("x").heads


@pytest.mark.asyncio
async def test_two_modes_at_once_become_one_and_no_conflict(tmp_path):
    async with peers(tmp_path, "one", "two", settings=KEEP) as found:
        one, two = found["one"], found["two"]
        await one.write("x", b"content")
        await told(one, two, "x")
        await changed(one, "x", 0o600)
        await changed(two, "x", 0o666)
        await told(one, two, "x")
        await told(two, one, "x")
        assert standing(one.root / "x") == standing(two.root / "x")
        for peer in found.values():
            assert isinstance(plan(peer.replica.index.place("x")), Rest)
            assert not peer.replica.index.conflicts


@pytest.mark.asyncio
async def test_where_modes_are_fixed_a_change_of_one_stays_where_it_was_made(tmp_path):
    async with peers(tmp_path, "one", "two") as found:
        one, two = found["one"], found["two"]
        await one.write("x", b"content")
        await changed(one, "x", 0o777)
        await told(one, two, "x")
        before = one.replica.index.place("x").heads
        await changed(one, "x", 0o600)
        assert one.replica.index.place("x").heads == before
        assert (standing(one.root / "x"), standing(two.root / "x")) == (0o600, 0o644)
