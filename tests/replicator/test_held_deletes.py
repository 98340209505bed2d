"""Deletions that come in a flood wait for an operator: where the files are gone, and where a peer tells of it."""

import contextlib

import pytest

from cluster.publish import Reason
from cluster.replication_settings import DeleteBudget, DeleteBudgets
from replicator.core.head import Kind, winner
from replicator.held_deletes import HeldDeletes
from replicator.not_yet import NotYetError
from replicator.operators.approval import Approval
from replicator.publish.refusals import RefusedError
from replicator.watching.scan import Scan
from tests.kit.publish_client import tree
from tests.kit.replica import REMOTE, OpenReplica, hold, remote_head

pytestmark = pytest.mark.asyncio

FEW = DeleteBudget(files=3, share=1.0, at_least=1)
BUDGETS = DeleteBudgets(found=FEW, peers=FEW, clients=FEW)
NAMES = [f"d/{name}" for name in "abcdef"]


class NoWatch:
    """Nothing changes while it is looked at; `coming` are marks that rest."""

    def __init__(self, coming=()):
        self.coming = list(coming)

    def removed(self):
        return self.coming

    def resting(self):
        return []

    def mark_found(self, path):
        raise AssertionError(path)


async def filled(replica, folder="d"):
    """Six files in a folder, made by a peer."""
    replica.held_deletes = HeldDeletes(replica.index, BUDGETS)
    replica.hear(folder, (remote_head(b"", kind=Kind.DIRECTORY, sequence=100),))
    for number, path in enumerate(NAMES, 1):
        hold(replica, path.encode())
        replica.hear(path, (remote_head(path.encode(), sequence=number),))
        await replica.settle(path)
    await replica.settle(folder)


def scan_of(replica, *, missing_is_deleted=False, coming=()):
    return Scan(replica, NoWatch(coming), missing_is_deleted=missing_is_deleted)


def remove(replica, *paths):
    for path in paths:
        (replica.tree.root / path).unlink()


def tombstones(paths):
    return [
        (path, (remote_head(None, sequence=200 + number, saw={REMOTE: number}),))
        for number, path in enumerate(paths, 1)
    ]


async def heal(replica):
    for path in sorted(replica.index.pending):
        with contextlib.suppress(NotYetError):
            await replica.settle(path)


async def test_a_few_deletions_go(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        remove(here, *NAMES[:3])
        await scan_of(here).delete(NAMES[:3])
        assert not here.index.held
        assert all(winner(here.index.place(path).heads).kind is Kind.TOMBSTONE for path in NAMES[:3])


async def test_a_folder_that_was_renamed_is_no_flood(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        (here.tree.root / "d").rename(here.tree.root / "e")
        for path in NAMES:
            await here.rescan(path.replace("d/", "e/"))
        await scan_of(here).delete(["d"])
        assert not here.index.held
        assert all(winner(here.index.place(path).heads).kind is Kind.TOMBSTONE for path in NAMES)
        assert sorted(path.name for path in (here.tree.root / "e").iterdir()) == [name[2:] for name in NAMES]


async def test_a_folder_that_a_peers_client_renamed_is_no_flood(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        news = tombstones(NAMES)
        moved = [(f"e/{path[2:]}", (remote_head(path.encode(), sequence=300 + number),))
                 for number, path in enumerate(NAMES)]  # fmt: skip
        assert len(here.held_deletes.heard("a", [*moved, *news])) == 2 * len(NAMES)
        assert not here.index.held
        assert here.held_deletes.heard("a", tombstones(NAMES)) == []  # without the new names they are


async def test_the_first_of_a_flood_is_held_for_what_is_seen_to_follow(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        remove(here, *NAMES)
        await scan_of(here, coming=NAMES[1:]).delete(NAMES[:1])
        assert list(here.index.held) == NAMES[:1]


async def test_a_flood_is_held_and_neither_told_nor_healed_and_a_restart_does_not_change_it(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        sequence = here.index.clock.sequence
        remove(here, *NAMES[:4])
        await scan_of(here).delete(NAMES[:4])
        assert sorted(here.index.held) == NAMES[:4]
        assert here.index.clock.sequence == sequence
    async with OpenReplica(tmp_path) as here:
        here.held_deletes = HeldDeletes(here.index, BUDGETS)
        await scan_of(here).run()
        assert sorted(here.index.held) == NAMES[:4]
        assert not here.index.pending
        remove(here, NAMES[5])  # while some are held, every other waits too
        await scan_of(here, missing_is_deleted=True).run()
        assert sorted(here.index.held) == [*NAMES[:4], NAMES[5]]
        assert "tripod approve here" in here.held_deletes.notices()[0]


async def test_a_removed_folder_comes_back_empty_while_its_files_are_held_and_goes_when_approved(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        remove(here, *NAMES)
        (here.tree.root / "d").rmdir()
        await scan_of(here).delete(["d"])
        await heal(here)
        assert tree(here.tree.root) == {"d": None}
        assert len(here.index.held) == 7
        assert await Approval(here, lambda: None).approve() == 7
        assert tree(here.tree.root) == {}
        assert not here.index.held
        assert not any(here.index.is_live(path) for path in ["d", *NAMES])


async def test_what_is_taken_back_is_fetched_again(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        remove(here, *NAMES[:4])
        await scan_of(here).delete(NAMES[:4])
        assert await Approval(here, lambda: None).restore() == 4
        assert here.index.pending == set(NAMES[:4])
        for path in NAMES[:4]:
            hold(here, path.encode())
        await heal(here)
        assert tree(here.tree.root) == {"d": None, **{path: path.encode() for path in NAMES}}


async def test_a_client_that_reads_or_writes_a_held_file_ends_that_hold_alone(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        remove(here, *NAMES[:4])
        await scan_of(here).delete(NAMES[:4])
        await here.rescan(NAMES[0])  # as a Fetch does
        hold(here, b"a newer one")
        here.hear(NAMES[1], (remote_head(b"a newer one", sequence=300, saw={REMOTE: 2}),))
        await here.settle(NAMES[1])
        (here.tree.root / NAMES[2]).write_bytes(b"written again")
        await here.rescan(NAMES[2])
        assert list(here.index.held) == [NAMES[3]]
        assert here.index.pending == {NAMES[0]}


async def test_a_flood_that_a_peer_tells_is_not_heard_until_it_is_approved(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        here.hear_all([*tombstones(NAMES[:4]), ("new", (remote_head(b"new", sequence=400),))], "there")
        assert sorted(here.index.held) == NAMES[:4]
        assert here.index.pending == {"new"}
        here.hear_all(tombstones(NAMES[:5])[4:], "there")
        assert len(here.index.held) == 5
    async with OpenReplica(tmp_path) as here:
        here.held_deletes = HeldDeletes(here.index, BUDGETS)
        assert await Approval(here, lambda: None).approve() == 5
        hold(here, b"new")
        await heal(here)
        assert tree(here.tree.root) == {"d": None, NAMES[5]: NAMES[5].encode(), "new": b"new"}


async def test_a_flood_of_a_peer_that_is_taken_back_becomes_newer_versions_for_everybody(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        news = tombstones(NAMES[:4])
        here.hear_all(news, "there")
        before = {path: (here.tree.root / path).stat().st_ino for path in NAMES}
        assert await Approval(here, lambda: None).restore() == 4
        here.hear_all(news, "there")  # heard again, it is old news
        assert not here.index.held
        assert not here.index.pending
        for path, heads in news:
            (head,) = here.index.place(path).heads
            assert head.is_live
            assert head.vector[REMOTE] >= heads[0].dot.sequence
        assert {path: (here.tree.root / path).stat().st_ino for path in NAMES} == before


async def test_a_newer_version_takes_the_place_of_a_deletion_that_was_held(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        here.hear_all(tombstones(NAMES[:4]), "there")
        hold(here, b"again")
        here.hear_all([(NAMES[0], (remote_head(b"again", sequence=500, saw={REMOTE: 201}),))], "there")
        await here.settle(NAMES[0])
        assert sorted(here.index.held) == NAMES[1:4]
        assert (here.tree.root / NAMES[0]).read_bytes() == b"again"


async def test_deletions_that_an_operator_approved_elsewhere_are_expected_for_a_while(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        here.held_deletes.grant(4)
        here.hear_all(tombstones(NAMES[:4]), "there")
        assert not here.index.held
        await heal(here)
        assert sorted(tree(here.tree.root)) == ["d", *NAMES[4:]]


async def test_clients_deletions_beyond_their_budget_are_refused_until_an_operator_decides(tmp_path):
    async with OpenReplica(tmp_path) as here:
        await filled(here)
        for _ in range(3):
            here.held_deletes.asked(Kind.FILE)
        with pytest.raises(RefusedError) as refused:
            here.held_deletes.asked(Kind.FILE)
        assert refused.value.reason is Reason.HELD_BACK
        assert any("clients" in notice for notice in here.held_deletes.notices())
        await Approval(here, lambda: None).approve()
        here.held_deletes.asked(Kind.FILE)
        assert not here.held_deletes.notices()
