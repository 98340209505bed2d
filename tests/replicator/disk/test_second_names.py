"""A kill as soon as we have unlinked a second name: what has rotted in the tree is no new version at the next start."""

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from cluster.content_id import content_id_of
from replicator.core.place import Found, Rotten
from replicator.disk.conflict_store import kept_name
from replicator.disk.staging import Staging
from replicator.index.index import Conflict
from replicator.index.scrub_facts import Quarantined
from replicator.restart import expect_doubles_to_go
from tests.kit.replica import OpenReplica

pytestmark = pytest.mark.asyncio
GOOD = content_id_of(b"good")


def in_conflicts(replica):
    return replica.tree.conflicts / kept_name("x", GOOD)


def in_versions(replica):
    return replica.tree.versions / GOOD


def in_staging(replica):
    return replica.tree.staging / "pub-1"


def listed(replica):
    kept = in_conflicts(replica).name
    replica.index.note_conflict(Conflict(path="x", content_id=GOOD, node="n", stamp_ns=1, size_bytes=4, kept=kept))


async def discard(replica):
    listed(replica)
    await replica.conflicts.discard(*replica.index.conflicts.values())


async def exceed_the_quota(replica):
    listed(replica)
    await replica.conflicts.limit(0)


async def sweep_conflicts(replica):
    await replica.conflicts.sweep()


async def sweep_versions(replica):
    await replica.versions.sweep(lambda _content_id: ())


async def start_staging(replica):
    again = replica.staging = Staging(replica.staging.folder)
    await expect_doubles_to_go(replica)
    await replica.blocking(again.start)


UNLINKS = {
    "a conflict is discarded": (in_conflicts, discard),
    "the conflict store is too large": (in_conflicts, exceed_the_quota),
    "what the conflict store does not list": (in_conflicts, sweep_conflicts),
    "what is no version any more": (in_versions, sweep_versions),
    "what a power cut left in staging": (in_staging, start_staging),
}


async def known(replica, second):
    """A file of the tree with a second name, both known; its place."""
    (replica.tree.root / "x").write_bytes(b"good")
    second.hardlink_to(replica.tree.root / "x")
    await replica.rescan("x")
    return replica.index.place("x")


def rot(replica):
    """Other content, of which stat says nothing: as the index has it then."""
    file = replica.tree.root / "x"
    status = file.stat()
    file.write_bytes(b"evil")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    row = msgspec.structs.replace(replica.index.place("x").row, ctime_ns=file.stat().st_ctime_ns)
    replica.index.feed("x", Found(row=row, now_ns=0))


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """What a kill right after each unlink leaves of the index, as long as it is asked for; it is put back then."""
    unlink, left = Path.unlink, tmp_path / "left"
    left.mkdir()

    def unlink_and_die(file, *, missing_ok=False):
        unlink(file, missing_ok=missing_ok)
        for index in tmp_path.glob("index.sqlite3*"):
            shutil.copy(index, left)

    monkeypatch.setattr(Path, "unlink", unlink_and_die)

    def put_back():
        monkeypatch.undo()
        assert list(left.iterdir())
        for index in tmp_path.glob("index.sqlite3*"):
            index.unlink()
        for index in left.iterdir():
            index.rename(tmp_path / index.name)

    return put_back


@pytest.mark.parametrize("what", UNLINKS)
async def test_what_has_rotted_is_no_new_version_after_a_kill(tmp_path, killed, what):
    name, unlink = UNLINKS[what]
    async with OpenReplica(tmp_path) as here:
        heads = (await known(here, name(here))).heads
        rot(here)
        await here.index.durable()
        await unlink(here)
        assert not name(here).exists()
    killed()
    async with OpenReplica(tmp_path) as here:
        await here.rescan("x")
        place = here.index.place("x")
        assert place.heads == heads
        assert place.row.ctime_ns == (here.tree.root / "x").stat().st_ctime_ns


async def test_what_was_found_rotten_and_is_still_to_be_moved_is_no_new_version_either(tmp_path):
    async with OpenReplica(tmp_path) as here:
        heads = (await known(here, in_versions(here))).heads
        rot(here)
        here.index.feed("x", Rotten())
        here.index.quarantine_one(Quarantined(path="x", content_id=GOOD, kept="x", at_ns=1))
        await sweep_versions(here)
        await here.rescan("x")
        assert here.index.place("x").heads == heads
