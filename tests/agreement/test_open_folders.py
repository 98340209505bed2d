"""A pass over many names opens each folder once, keeps few of them open, and closes all."""

import os
from pathlib import Path

import pytest

from cluster.folders import LinkAboveError, OpenFolders, look


def descriptors():
    return {int(entry.name) for entry in Path("/proc/self/fd").iterdir() if os.path.lexists(entry)}


@pytest.fixture
def root(tmp_path):
    for number in range(40):
        (tmp_path / f"d{number}/e").mkdir(parents=True)
        (tmp_path / f"d{number}/e/x").write_bytes(b"%d" % number)
    (tmp_path / "x").write_bytes(b"")
    (tmp_path / "link").symlink_to("d1")
    return tmp_path


def test_a_folder_is_opened_once_for_all_names_in_it(root, monkeypatch):
    opened, open_ = [], os.open
    monkeypatch.setattr(os, "open", lambda path, *more, **where: opened.append(path) or open_(path, *more, **where))
    with OpenFolders(root) as folders:
        for name in ("x", "y", "z"):
            assert folders.above(f"d1/e/{name}")[1] == name
            assert folders.above(name) == (folders.above("x")[0], name)
    assert opened == [root / "d1", "e", root]


def test_few_are_open_at_once_and_none_afterwards(root):
    before = descriptors()
    with OpenFolders(root) as folders:
        for number in (*range(40), *range(40)):
            folder, name = folders.above(f"d{number}/e/x")
            assert look(name, folder).st_ino == (root / f"d{number}/e/x").stat().st_ino
            assert len(descriptors() - before) <= 16
        with pytest.raises(FileNotFoundError):
            folders.above("d1/nowhere/x")
        with pytest.raises(LinkAboveError):
            folders.above("link/e/x")
    assert descriptors() - before == set()
