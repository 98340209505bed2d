"""The simulated kernel answers as the real one does; only at a power cut it forgets."""

import errno
import os as real_os
import random

import pytest

from tests.replicator.simulation import kernel
from tests.replicator.simulation.disk import Disk

CREATE = real_os.O_WRONLY | real_os.O_CREAT | real_os.O_EXCL


def disk_at(now_ns=1):
    return Disk(lambda: now_ns)


@pytest.fixture(params=["real", "simulated"])
def machine(request, tmp_path, monkeypatch):
    """An `os`, and a folder to use it in."""
    if request.param == "real":
        return real_os, tmp_path
    disk = disk_at()
    disk.mkdir("root")
    machine = kernel.Machine(disk, lambda: 1, lambda: 0.0, random.Random(1), lambda: None)
    monkeypatch.setattr(kernel.turn, "machine", machine, raising=False)
    return kernel.os, kernel.SimulatedPath("/root")


def write(os, path, data):
    fd = os.open(path, CREATE, 0o644)
    os.write(fd, data)
    os.fsync(fd)
    os.close(fd)


def test_what_is_written_is_read_and_listed(machine):
    os, folder = machine
    write(os, folder / "a", b"one")
    (folder / "d").mkdir()
    with os.scandir(folder) as entries:
        assert sorted(entry.name for entry in entries) == ["a", "d"]
    fd = os.open(folder / "a", real_os.O_RDONLY)
    assert os.pread(fd, 9, 1) == b"ne"
    os.close(fd)
    with (folder / "a").open("rb") as file:
        assert (file.read(2), file.read()) == (b"on", b"e")


def test_a_rename_replaces_and_keeps_the_inode_and_an_open_file_reads_on(machine):
    os, folder = machine
    write(os, folder / "a", b"new")
    write(os, folder / "b", b"old")
    inode = (folder / "a").lstat().st_ino
    fd = os.open(folder / "b", real_os.O_RDONLY)
    os.replace(folder / "a", folder / "b")
    assert (folder / "b").lstat().st_ino == inode
    assert os.pread(fd, 9, 0) == b"old"
    os.close(fd)


def _read(os, folder):
    os.open(folder / "none", real_os.O_RDONLY)


def _create_twice(os, folder):
    write(os, folder / "a", b"")
    os.open(folder / "a", CREATE)


def _remove_full_folder(os, folder):
    (folder / "d").mkdir()
    write(os, folder / "d/x", b"")
    (folder / "d").rmdir()


def _file_over_folder(os, folder):
    write(os, folder / "a", b"")
    (folder / "d").mkdir()
    os.replace(folder / "a", folder / "d")


def _below_a_file(os, folder):
    write(os, folder / "a", b"")
    (folder / "a/x").lstat()


def _link_twice(os, folder):
    write(os, folder / "a", b"")
    os.link(folder / "a", folder / "b")
    os.link(folder / "a", folder / "b")


@pytest.mark.parametrize(
    ("act", "number"),
    [
        (_read, errno.ENOENT),
        (_create_twice, errno.EEXIST),
        (_remove_full_folder, errno.ENOTEMPTY),
        (_file_over_folder, errno.EISDIR),
        (_below_a_file, errno.ENOTDIR),
        (_link_twice, errno.EEXIST),
    ],
)
def test_what_cannot_be_done_fails_alike(machine, act, number):
    os, folder = machine
    with pytest.raises(OSError) as caught:  # noqa: PT011 its number is what matters
        act(os, folder)
    assert caught.value.errno == number


def left_after_power_cuts(prepare):
    """Everything that may be left, over many chances: the files by name."""
    found = set()
    for seed in range(60):
        disk = disk_at()
        prepare(disk)
        disk.lose_power(random.Random(seed))
        found.add(tuple(sorted((path, node.data) for path, node in disk.files().items())))
    return found


def test_what_was_fsynced_with_its_name_is_left_always():
    assert left_after_power_cuts(lambda disk: disk.put("a", b"safe")) == {(("a", b"safe"),)}


def test_bytes_without_an_fsync_may_be_torn_or_gone():
    def written(disk):
        disk.put("a", b"")
        disk.write(disk.find("a"), b"12345678")

    left = {dict(files)["a"] for files in left_after_power_cuts(written)}
    assert {b"", b"12345678"} < left
    assert any(data.endswith(b"\0") for data in left)


def test_a_rename_without_an_fsync_leaves_the_old_names_or_the_new_never_none():
    def renamed(disk):
        disk.put("a", b"new")
        disk.put("b", b"old")
        disk.replace("a", "b")

    left = [dict(files) for files in left_after_power_cuts(renamed)]
    assert {files["b"] for files in left} == {b"old", b"new"}
    assert all(b"new" in files.values() for files in left)
