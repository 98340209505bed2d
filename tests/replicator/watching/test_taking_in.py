"""Many small files that are found at once become what they would have become one by one."""

import os
from pathlib import Path

import pytest

from cluster.content_id import content_id_of
from cluster.folders import OddEntryError
from replicator.core.head import Kind, winner
from replicator.disk.reading import SMALL_BYTES, read_each, read_soon, read_together
from replicator.disk.tree import Tree, UnstableError
from replicator.watching.scan import Scan, differing
from replicator.watching.taking_in import take_in
from replicator.watching.watch import Watch
from tests.kit.replica import OpenReplica, hold, remote_head

pytestmark = pytest.mark.asyncio


def write_some(root, count, folder="many"):
    (root / folder).mkdir()
    for number in range(count):
        (root / folder / f"f{number}").write_bytes(b"%d" % (number // 2))


async def test_a_folder_of_files_is_known_after_one_scan(tmp_path, monkeypatch):
    # What was written just now is otherwise left to its marks.
    monkeypatch.setattr("replicator.watching.scan._QUIET_NS", 0)
    (tmp_path / "other").mkdir()
    async with OpenReplica(tmp_path) as here, OpenReplica(tmp_path / "other") as other:
        for replica in (here, other):
            write_some(replica.tree.root, 450)
        await Scan(here, Watch(here.tree.root), missing_is_deleted=False).run()
        one_by_one = Scan(other, Watch(other.tree.root), missing_is_deleted=False)
        one_by_one.many = 10**9
        await one_by_one.run()
        assert len(here.index.places) == 451
        for path, place in here.index.places.items():
            theirs = other.index.place(path)
            assert place.row.content_id == theirs.row.content_id
            assert winner(place.heads).size_bytes == winner(theirs.heads).size_bytes
            assert not here.index.pending


class Changing(Tree):
    """One file is written to whenever it was looked at, one is gone by then, one is no file."""

    def look_in(self, folders, path):
        if path.endswith("odd"):
            raise OddEntryError
        seen = super().look_in(folders, path)
        if path.endswith("changing"):
            (self.root / path).write_bytes(os.urandom(9))
        elif path.endswith("gone"):
            (self.root / path).unlink(missing_ok=True)
        return seen


@pytest.mark.parametrize("read", [read_together, read_each])
async def test_what_goes_wrong_with_one_file_does_not_touch_the_others(tmp_path, read):
    async with OpenReplica(tmp_path, Changing) as here:
        for name in ("changing", "gone", "odd", "whole"):
            (here.tree.root / name).write_bytes(b"before")
        troubles = await take_in(here, ["changing", "gone", "odd", "whole"], read)
        assert {path: type(trouble) for path, trouble in troubles.items()} == {
            "changing": UnstableError,
            "gone": UnstableError,
            "odd": OddEntryError,
        }
        assert set(here.index.places) == {"whole"}


@pytest.mark.parametrize(
    ("unwritten", "syncs"),
    [(lambda: 0, 1), (lambda: 17 << 20, 3), (lambda: int("unknown"), 3), (Path("/").read_text, 3)],
)
async def test_a_sync_of_all_stands_for_those_of_each_file_and_folder_only_while_it_waits_for_little(
    tmp_path, monkeypatch, unwritten, syncs
):
    called = []
    monkeypatch.setattr("replicator.disk.calm.unwritten_bytes", unwritten)
    monkeypatch.setattr("replicator.disk.reading.sync_file_system", called.append)
    monkeypatch.setattr(os, "fsync", called.append)
    async with OpenReplica(tmp_path) as here:
        write_some(here.tree.root, 2)
        rows = dict.fromkeys(("many/f0", "many/f1"))
        seen = [here.tree.look(path) for path in rows]
        called.clear()
        found = read_soon(here.tree, rows)
        assert len(called) == syncs
        assert [each.row.content_id for each in found] == [content_id_of(b"0")] * 2
        called.clear()
        known = {path: each.row for path, each in zip(rows, seen, strict=True)}
        assert read_together(here.tree, known) == seen  # an echo: nothing is read, and nothing to be synced
        assert called == []


@pytest.mark.parametrize("read", [read_together, read_each])
async def test_a_file_that_has_become_large_is_left_to_be_read_alone(tmp_path, read):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "x").write_bytes(bytes(SMALL_BYTES + 1))
        assert {path: type(why) for path, why in (await take_in(here, ["x"], read)).items()} == {"x": UnstableError}


async def test_an_echo_of_an_install_is_no_news_by_the_time_its_lock_is_held(tmp_path):
    async with OpenReplica(tmp_path) as here:
        write_some(here.tree.root, 1)
        await here.rescan("many/f0")
        before = here.index.place("many/f0")
        here.tree.open_in = None  # nothing is opened
        assert await take_in(here, ["many/f0"]) == {}
        assert here.index.place("many/f0") == before


async def test_what_events_tell_of_many_small_files_is_taken_in_together_and_the_rest_is_left(tmp_path):
    (tmp_path / "other").mkdir()
    async with OpenReplica(tmp_path) as here, OpenReplica(tmp_path / "other") as other:
        for replica in (here, other):
            write_some(replica.tree.root, 40)
            (replica.tree.root / "many/large").write_bytes(bytes(300_000))
        paths = ["many", "many/large", *(f"many/f{number}" for number in range(40))]
        scan = Scan(here, Watch(here.tree.root), missing_is_deleted=False)
        found = differing(here.tree, dict.fromkeys(paths))
        assert await scan.take_in_small(found) == ["many", "many/large"]
        assert await scan.take_in_small({path: found[path] for path in paths[:3]}) == paths[:3]
        for path in paths[2:]:
            await other.rescan(path)
            assert here.index.place(path).row.content_id == other.index.place(path).row.content_id


async def test_what_a_peer_also_has_is_adopted_and_no_new_version(tmp_path):
    async with OpenReplica(tmp_path) as here:
        here.hear("x", (remote_head(b"same"),))
        hold(here, b"same")
        (here.tree.root / "x").write_bytes(b"same")
        assert await take_in(here, ["x"]) == {}
        assert [head.dot.node for head in here.index.place("x").heads] == ["there"]
        assert here.index.place("x").row.kind is Kind.FILE
