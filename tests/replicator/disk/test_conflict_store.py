"""What lost is kept and listed, whatever a kill cut off in between."""

import pytest

from cluster.content_id import content_id_of
from cluster.durable_file import replace_durably
from tests.kit.replica import OpenReplica, hold, remote_head

pytestmark = pytest.mark.asyncio


def stored(replica):
    return {file.name: file.read_bytes() for file in replica.tree.conflicts.iterdir()}


def listed(replica):
    return [(conflict.path, conflict.kept) for conflict in replica.index.open_conflicts()]


async def conflict(replica):
    """A file of this node that loses against a peer's; the name under which it is kept."""
    (replica.tree.root / "x").write_bytes(b"lost")
    await replica.rescan("x")
    hold(replica, b"won")
    replica.hear("x", (remote_head(b"won", stamp_ns=2 * 10**18),))
    await replica.settle("x")
    ((_, name),) = listed(replica)
    return name


async def test_what_was_kept_and_not_listed_when_a_kill_came_is_listed_by_the_next_start(tmp_path):
    async with OpenReplica(tmp_path) as here:
        name = await conflict(here)
        here.index.drop_conflict(*here.index.conflicts.values())
    async with OpenReplica(tmp_path) as here:
        await here.conflicts.sweep()
        assert listed(here) == [("x", name)]
        assert stored(here) == {name: b"lost"}


async def test_what_lost_elsewhere_and_was_not_listed_when_a_kill_came_is_listed_by_the_next_start(tmp_path):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "d").mkdir()
        await here.rescan("d")
        here.hear("d", (*here.index.place("d").heads, remote_head(b"lost")))
        assert "d" not in here.index.pending
        await here.index.durable()
    async with OpenReplica(tmp_path) as here:
        await here.conflicts.sweep()
        assert listed(here) == [("d", "")]


async def test_what_has_lost_nowhere_any_more_goes_if_it_is_kept_elsewhere(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await conflict(here)
        here.index.drop_conflict(*here.index.conflicts.values())
        seen = {head.dot.replica: head.dot.sequence for head in here.index.place("x").heads}
        here.hear("x", (remote_head(None, sequence=9, saw=seen),))
        await here.settle("x")
        for other in ("y", "z"):
            (here.tree.conflicts / f"{content_id_of(other.encode())}-{other}").write_bytes(other.encode())
        (here.tree.root / "y").write_bytes(b"y")
        await here.rescan("y")
        assert len(stored(here)) == 3
    async with OpenReplica(tmp_path) as here:
        await here.conflicts.sweep()
        assert listed(here) == []
        assert sorted(stored(here).values()) == [b"lost", b"z"]  # which may have been listed in an index that was lost


async def test_what_an_index_listed_that_was_lost_is_found_by_its_content_and_listed_when_it_loses_anew(tmp_path):
    async with OpenReplica(tmp_path) as here:
        name = await conflict(here)
    for file in tmp_path.glob("index.sqlite3*"):
        file.unlink()
    (tmp_path / "root/.tripod/marker").unlink()
    async with OpenReplica(tmp_path) as here:
        await here.conflicts.sweep()
        assert listed(here) == []
        assert list(here.sources.files(content_id_of(b"lost"))) == [here.tree.conflicts / name]
        here.hear("y", (remote_head(b"lost", sequence=2),))
        await here.settle("y")
        assert (here.tree.root / "y").read_bytes() == b"lost"
        here.hear("x", (remote_head(b"won", stamp_ns=2), remote_head(b"lost", sequence=2, stamp_ns=1)))
        hold(here, b"won")
        await here.settle("x")
        assert listed(here) == [("x", name)]
        await here.conflicts.discard(*here.index.open_conflicts())
        assert stored(here) == {}
        assert list(here.sources.files(content_id_of(b"lost"))) == [here.tree.root / "y"]


async def test_what_is_listed_stays_though_nobody_has_it_as_a_version_any_more(tmp_path):
    async with OpenReplica(tmp_path) as here:
        name = await conflict(here)
    async with OpenReplica(tmp_path) as here:
        await here.conflicts.sweep()
        assert listed(here) == [("x", name)]
        assert stored(here) == {name: b"lost"}


@pytest.mark.parametrize("is_moved", [False, True], ids=["before it was moved", "before that was durable"])
async def test_a_disk_that_fails_while_it_is_kept_loses_nothing_and_nobody_takes_it_for_kept(
    tmp_path, monkeypatch, is_moved
):
    """A peer that prepared a file over our directory counts it as kept once settling the path succeeds."""

    def fails(source, target):
        if is_moved:
            replace_durably(source, target)
        raise OSError(5, "Input/output error")

    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "d").mkdir()
        await here.rescan("d")
        hold(here, b"lost")
        here.hear("d", (*here.index.place("d").heads, remote_head(b"lost")))
        with monkeypatch.context() as patch:
            patch.setattr("replicator.disk.conflict_store.replace_durably", fails)
            for _ in range(1 if is_moved else 3):
                with pytest.raises(OSError, match="Input/output"):
                    await here.settle("d")
                assert listed(here) == []
        await here.settle("d")
        ((_, name),) = listed(here)
        assert stored(here) == {name: b"lost"}
