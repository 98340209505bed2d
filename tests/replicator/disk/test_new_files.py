"""Small new files are written together: whole, with their time, and each has its own trouble."""

import errno
import stat
from pathlib import Path

import pytest

from replicator.disk.new_files import NewFile, write_each, write_together


def test_each_file_has_its_bytes_its_time_and_its_mode(tmp_path):
    pieces = [NewFile(tmp_path / f"f{number}", b"%d" % number * 3000, number * 10**9, 0o640) for number in range(200)]
    assert write_each(pieces) == [None] * 200
    for number, piece in enumerate(pieces):
        status = piece.file.stat()
        assert piece.file.read_bytes() == piece.data
        assert (status.st_mtime_ns, stat.S_IMODE(status.st_mode)) == (number * 10**9, 0o640)


def test_what_goes_wrong_with_one_is_told_of_that_one_alone(tmp_path):
    (tmp_path / "there").write_bytes(b"old")
    names = ("a", "there", "b")
    found = write_each([NewFile(tmp_path / name, name.encode()) for name in names])
    assert [getattr(each, "errno", None) for each in found] == [None, errno.EEXIST, None]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"a", b"old", b"b"]


def test_an_empty_file_and_no_file_at_all_can_be_written(tmp_path):
    assert write_each([]) == []
    assert write_each([NewFile(tmp_path / "empty", b"", -1)]) == [None]
    assert (tmp_path / "empty").stat().st_mtime_ns == -1
    write_together([])
    write_together([NewFile(tmp_path / "one", b"1"), NewFile(tmp_path / "two", b"2")])
    assert (tmp_path / "one").read_bytes() + (tmp_path / "two").read_bytes() == b"12"


def test_a_file_that_cannot_be_written_is_closed(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(TypeError):
        write_together([NewFile(tmp_path / "x", b"x", mode=None)])
    assert len(list(Path("/proc/self/fd").iterdir())) == before
