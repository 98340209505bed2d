"""What stands in staging goes when its time has come, or when the disk needs its space."""

import os
from pathlib import Path

import pytest

from replicator.disk.staging import Held, Staging


class SmallDisk(Staging):
    """A disk of 100 bytes."""

    def free_bytes(self):
        return 100 - sum(file.stat().st_size for file in self.folder.iterdir())


@pytest.fixture
def staging(tmp_path):
    (tmp_path / "staging").mkdir()
    return SmallDisk(tmp_path / "staging")


def held(staging, content_id, size_bytes, *, spared):
    file = staging.new_file(content_id)
    file.write_bytes(bytes(size_bytes))
    staging.add(Held(content_id, file, spared=spared))
    return file


def test_what_is_spared_goes_first_when_space_is_short_and_no_more_of_it_than_is_needed(staging, monkeypatch):
    files = [held(staging, name, 30, spared=True) for name in ("first", "second", "third")]
    ages = {os.fspath(file): 100.0 - number for number, file in enumerate(files)}
    monkeypatch.setattr("replicator.disk.staging._age_s", lambda file, _now_s: ages[os.fspath(file)])
    assert staging.make_room(50)
    assert [file.exists() for file in files] == [False, False, True]
    assert staging.has("third")
    assert not staging.has("first")


def test_what_a_peer_had_us_prepare_is_a_promised_copy_and_stays(staging):
    prepared, spared = held(staging, "prepared", 60, spared=False), held(staging, "spared", 30, spared=True)
    assert not staging.make_room(50)
    assert prepared.exists()
    assert not spared.exists()


def test_where_there_is_room_nothing_goes(staging):
    spared = held(staging, "spared", 30, spared=True)
    assert staging.make_room(70)
    assert spared.exists()


class GoesMeanwhile(type(Path())):
    """A folder in which an ftpnode removes an upload as soon as its name was read."""

    def iterdir(self):
        yield self / "up-1"
        yield from super().iterdir()


def test_an_upload_that_its_ftpnode_removes_does_not_end_the_start(tmp_path):
    staging = Staging(GoesMeanwhile(tmp_path))
    (tmp_path / "pub-1").write_bytes(b"left by the last run")
    staging.start()
    assert list(tmp_path.iterdir()) == []
