"""Durable files: whatever step fails, readers find the old file or the new one, and no leftovers."""

import os
from pathlib import Path

import pytest

from cluster.durable_file import make_folders_durably, replace_durably, unwritten_bytes, write_durably

OLD, NEW = b"old", b"new and longer"


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(OLD)
    write_durably(file, NEW, 0o600)
    assert file.read_bytes() == NEW
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_when_a_step_fails_the_old_file_stands_and_nothing_is_left_over(tmp_path: Path, monkeypatch, call: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(OLD)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if call == "write":
        monkeypatch.setattr(os, "fdopen", lambda fd, _mode: _Full(fd))
    else:
        monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        write_durably(file, NEW)
    assert file.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [file]


class _Full:
    """A file on a full disk."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def write(self, _data: bytes) -> None:
        raise OSError(28, "No space left on device")


def test_missing_folders_are_made_and_existing_ones_left(tmp_path: Path) -> None:
    make_folders_durably(tmp_path / "a/b/c")
    make_folders_durably(tmp_path / "a/b/c")
    assert (tmp_path / "a/b/c").is_dir()


def test_a_rename_replaces_the_target(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(NEW)
    (tmp_path / "old").write_bytes(OLD)
    replace_durably(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == NEW


def test_what_is_still_to_be_written_is_what_the_kernel_says(tmp_path):
    file = tmp_path / "meminfo"
    file.write_text("MemFree: 7 kB\nDirty:     12 kB\nWriteback:  3 kB\nWritebackTmp: 9 kB\nHugePages_Total: 0\n")
    assert unwritten_bytes(file) == 15 << 10
    file.write_text("Dirty: 12 kB\n")
    with pytest.raises(ValueError, match="does not say"):
        unwritten_bytes(file)
    assert unwritten_bytes() >= 0
