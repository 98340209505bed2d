"""A writer on the host swaps a folder for a link between our check and our act: the act stays in the folder."""

import contextlib
import os

import pytest

from cluster.content_id import content_id_of
from cluster.durable_file import publish_soon
from replicator.core.head import Kind
from replicator.core.place import Row
from replicator.disk.reading import read_together
from replicator.disk.tree import Installation, Tree, UnstableError
from replicator.watching.scan import list_folder

OURS, THEIRS, NEW = b"ours", b"theirs", b"new"


@pytest.fixture
def tree(tmp_path):
    tree = Tree(tmp_path / "root")
    tree.prepare()
    (tree.root / "Station/empty").mkdir(parents=True)
    (tree.root / "Station/a").write_bytes(OURS)
    (tree.staging / "staged").write_bytes(NEW)
    return tree


@pytest.fixture
def outside(tmp_path):
    """A folder beside the root with the same names in it."""
    outside = tmp_path / "outside"
    (outside / "empty").mkdir(parents=True)
    (outside / "a").write_bytes(THEIRS)
    return outside


def installation(tree):
    wanted = Row(kind=Kind.FILE, content_id=content_id_of(NEW), size_bytes=len(NEW), mtime_ns=5)
    return Installation(tree.staging / "staged", "Station/a", wanted)


def known(tree):
    return tree.look("Station/a").row


CHANGES = {
    "an install": ("replace", lambda tree: tree.install_all([installation(tree)])),
    "an install over a folder": ("rmdir", lambda tree: tree.install_all(
        [Installation(tree.staging / "staged", "Station/empty", installation(tree).wanted)])),
    "a new folder": ("mkdir", lambda tree: tree.make_folder("Station/new")),
    "a new folder over a file": ("unlink", lambda tree: tree.make_folder("Station/a")),
    "another time": ("utime", lambda tree: tree.touch("Station/a", known(tree), 5)),
    "a removal": ("unlink", lambda tree: tree.remove("Station/a", Kind.FILE, known(tree))),
    "a folder's removal": ("rmdir", lambda tree: tree.remove("Station/empty", Kind.DIRECTORY)),
    "a move into staging": ("replace", lambda tree: tree.take_out("Station/a", tree.staging / "out", known(tree))),
    "a move into quarantine": ("replace", lambda tree: tree.set_aside("Station/a", tree.staging / "out", known(tree))),
    "a rename": ("replace", lambda tree: tree.rename("Station/a", "Station/b")),
    "a second name": ("link", lambda tree: tree.keep("Station/a", tree.conflicts / "kept", known(tree))),
}  # fmt: skip


def found_of(found):
    if isinstance(found, Exception):
        raise found
    return found


READS = {
    "a read": lambda tree: tree.read("Station/a").row.content_id,
    "a read of many": lambda tree: found_of(read_together(tree, {"Station/a": None})[0]).row.content_id,
    "a copy": lambda tree: tree.copy(tree.root / "Station/a", tree.staging / "copy"),
}


def standing(folder):
    return {str(path): (path.lstat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in folder.rglob("*")}


def test_an_install_into_a_folder_that_is_moved_aside_is_not_taken_for_one_at_its_path(tree, monkeypatch):
    def publish_and_move(*arguments):
        publish_soon(*arguments)
        (tree.root / "Station").rename(tree.root / "Aside")
        (tree.root / "Station").mkdir()

    monkeypatch.setattr("replicator.disk.tree.publish_soon", publish_and_move)
    row = tree.install(tree.staging / "staged", "Station/a", installation(tree).wanted, 0)
    assert (tree.root / "Aside/a").read_bytes() == NEW
    assert row.ctime_ns == 0  # no file has that: a look finds that it is not there


def test_of_files_in_a_folder_that_is_moved_aside_none_is_read_at_its_old_path(tree, monkeypatch):
    def move(_folder):
        (tree.root / "Station").rename(tree.root / "Aside")
        (tree.root / "Station").mkdir()
        (tree.root / "Station/a").write_bytes(THEIRS)

    monkeypatch.setattr("replicator.disk.reading.sync_file_system", move)
    (found,) = read_together(tree, {"Station/a": None})
    assert isinstance(found, UnstableError)


def swapping(tree, outside, monkeypatch, step):
    """The folder is swapped just before the first call of a step of `os`; what says that it was."""
    act, swapped = getattr(os, step), []

    def swap_and_act(*arguments, **more):
        if not swapped:
            swapped.append(step)
            (tree.root / "Station").rename(tree.root / "Aside")
            (tree.root / "Station").symlink_to(outside)
        return act(*arguments, **more)

    monkeypatch.setattr(os, step, swap_and_act)
    return swapped


@pytest.mark.parametrize("what", CHANGES)
def test_nothing_changes_where_the_link_leads(tree, outside, monkeypatch, what):
    step, change = CHANGES[what]
    before = standing(outside)
    swapped = swapping(tree, outside, monkeypatch, step)
    with contextlib.suppress(OSError):  # what was done in the folder that was moved aside is not at its path then
        change(tree)
    assert swapped
    assert standing(outside) == before
    assert all(file.read_bytes() != THEIRS for file in tree.root.joinpath(".tripod").rglob("*") if file.is_file())


@pytest.mark.parametrize("what", READS)
def test_nothing_is_read_where_the_link_leads(tree, outside, monkeypatch, what):
    before = standing(outside)
    swapped = swapping(tree, outside, monkeypatch, "fstat")
    with contextlib.suppress(OSError):
        assert READS[what](tree) == content_id_of(OURS)
    assert swapped
    assert standing(outside) == before


def test_a_listing_is_of_the_folder_that_was_opened(tree, outside, monkeypatch):
    (outside / "secret").write_bytes(THEIRS)
    swapped = swapping(tree, outside, monkeypatch, "scandir")
    assert set(list_folder(tree, "Station").seen) == {"Station/a", "Station/empty"}
    assert swapped


def test_what_is_below_a_link_is_neither_there_nor_gone(tree, outside):
    (tree.root / "Station").rename(tree.root / "Aside")
    (tree.root / "Station").symlink_to(outside)
    with pytest.raises(OSError, match="neither a file nor a directory"):
        tree.look("Station/a")
    assert list_folder(tree, "Station").seen == {}
