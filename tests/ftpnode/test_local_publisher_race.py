"""A writer on the host swaps a folder for a link between our check and our act: the act stays in the folder."""

import os

import pytest

from cluster.content_id import content_id_of
from cluster.publish import MakeDirectory, Publish, Remove, Rename, SetMtime
from ftpnode.local_publisher import LocalPublisher
from ftpnode.staging import Staging

NEW = b"new"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "Station/empty").mkdir(parents=True)
    (root / "Station/a").write_bytes(b"ours")
    Staging(root).prepare()
    return root


@pytest.fixture
def outside(tmp_path):
    """A folder beside the root with the same names in it."""
    outside = tmp_path / "outside"
    (outside / "empty").mkdir(parents=True)
    (outside / "a").write_bytes(b"theirs")
    return outside


def staged(root):
    file = Staging(root).create()
    file.write(NEW)
    file.seal()
    return file.name


REQUESTS = {
    "a publish": (
        "replace",
        lambda root: Publish(id=1, path="Station/a", staged=staged(root), content_id=content_id_of(NEW), size_bytes=3,
                             mtime_ns=5),
    ),
    "a publish into a new folder": (
        "mkdir",
        lambda root: Publish(id=1, path="Station/new/a", staged=staged(root), content_id=content_id_of(NEW),
                             size_bytes=3, mtime_ns=5),
    ),
    "a new folder": ("mkdir", lambda _: MakeDirectory(id=1, path="Station/new")),
    "a removal": ("unlink", lambda _: Remove(id=1, path="Station/a", kind="file")),
    "a folder's removal": ("rmdir", lambda _: Remove(id=1, path="Station/empty", kind="directory")),
    "a rename in": ("replace", lambda _: Rename(id=1, source="Station/a", target="Station/b")),
    "a new time": ("utime", lambda _: SetMtime(id=1, path="Station/a", mtime_ns=5)),
}  # fmt: skip


def standing(folder):
    return {str(path): (path.lstat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in folder.rglob("*")}


@pytest.mark.parametrize("what", REQUESTS)
def test_nothing_happens_where_the_link_leads(root, outside, monkeypatch, what):
    step, request_for = REQUESTS[what]
    request = request_for(root)
    act = getattr(os, step)
    swapped = []

    def swap_and_act(*arguments, **more):
        if not swapped:
            swapped.append(step)
            (root / "Station").rename(root / "Aside")
            (root / "Station").symlink_to(outside)
        return act(*arguments, **more)

    before = standing(outside)
    monkeypatch.setattr(os, step, swap_and_act)
    LocalPublisher(root).ask(request, 1.0)
    assert swapped
    assert standing(outside) == before
