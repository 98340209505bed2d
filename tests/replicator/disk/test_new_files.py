"""Small new files are written together: whole, with their time, and each has its own trouble."""

import errno
import stat
from pathlib import Path

import pytest

from replicator.disk.new_files import NewFile, write_each, write_soon, write_together

MUCH, NOBODY_KNOWS = 1 << 30, OSError(errno.ENOENT, "no such file")


@pytest.fixture(params=[write_each, 0, MUCH, NOBODY_KNOWS], ids=["each", "calm", "much waits", "nobody knows"])
def write(request, monkeypatch):
    """Each way of writing many; by one sync only while little waits for the disk."""

    def unwritten():
        if isinstance(request.param, OSError):
            raise request.param
        return request.param

    if request.param is write_each:
        return write_each
    monkeypatch.setattr("replicator.disk.calm.unwritten_bytes", unwritten)
    return write_soon


@pytest.mark.parametrize(("unwritten", "syncs"), [(0, 1), (4 << 20, 1), (4 << 20 | 1, 0), (MUCH, 0)])
def test_one_sync_stands_for_many_fsyncs_while_little_waits_for_the_disk(tmp_path, monkeypatch, unwritten, syncs):
    done = []
    monkeypatch.setattr("replicator.disk.calm.unwritten_bytes", lambda: unwritten)
    monkeypatch.setattr("replicator.disk.new_files.sync_file_system", done.append)
    monkeypatch.setattr("os.fsync", lambda _fd: done.append("fsync"))
    write_soon([NewFile(tmp_path / f"f{number}", b"x") for number in range(20)])
    assert done == ([tmp_path] if syncs else ["fsync"] * 20)
    done.clear()
    write_soon([NewFile(tmp_path / "alone", b"x")])
    assert done == ["fsync"]


def test_a_sync_that_fails_is_told_of_each(tmp_path, monkeypatch):
    def fails(_folder):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("replicator.disk.calm.unwritten_bytes", lambda: 0)
    monkeypatch.setattr("replicator.disk.new_files.sync_file_system", fails)
    found = write_soon([NewFile(tmp_path / f"f{number}", b"x") for number in range(5)])
    assert [each.errno for each in found] == [errno.EIO] * 5


def test_each_file_has_its_bytes_its_time_and_its_mode(tmp_path, write):
    pieces = [NewFile(tmp_path / f"f{number}", b"%d" % number * 3000, number * 10**9, 0o640) for number in range(200)]
    assert write(pieces) == [None] * 200
    for number, piece in enumerate(pieces):
        status = piece.file.stat()
        assert piece.file.read_bytes() == piece.data
        assert (status.st_mtime_ns, stat.S_IMODE(status.st_mode)) == (number * 10**9, 0o640)


def test_what_goes_wrong_with_one_is_told_of_that_one_alone(tmp_path, write):
    (tmp_path / "there").write_bytes(b"old")
    names = ("a", "there", "b", "c", "d")
    found = write([NewFile(tmp_path / name, name.encode()) for name in names])
    assert [getattr(each, "errno", None) for each in found] == [None, errno.EEXIST, None, None, None]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"a", b"old", b"b", b"c", b"d"]


def test_an_empty_file_and_no_file_at_all_can_be_written(tmp_path, write):
    assert write([]) == []
    assert write([NewFile(tmp_path / "empty", b"", -1)]) == [None]
    assert (tmp_path / "empty").stat().st_mtime_ns == -1
    write_together([])
    write_together([NewFile(tmp_path / "one", b"1"), NewFile(tmp_path / "two", b"2")])
    assert (tmp_path / "one").read_bytes() + (tmp_path / "two").read_bytes() == b"12"


def test_a_file_that_cannot_be_written_is_closed(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(TypeError):
        write_together([NewFile(tmp_path / "x", b"x", mode=None)])
    assert len(list(Path("/proc/self/fd").iterdir())) == before
