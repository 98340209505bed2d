"""A known file that has rotted is given another time or name, and that is cut off: its content is no new version."""

import errno
import functools
import os
import shutil

import msgspec
import pytest

from cluster.content_id import content_id_of
from cluster.publish import Rename
from replicator.core.place import Found
from replicator.disk.tree import Tree
from replicator.publish.moving import move
from replicator.restart import replay_intents
from tests.kit.replica import OpenReplica, hold, remote_head

pytestmark = pytest.mark.asyncio
GOOD = content_id_of(b"good")
ROTTEN = ("x", "d/y")


async def heard(replica):
    """A peer has given it another time."""
    replica.hear("x", (remote_head(b"good", sequence=9, mtime_ns=7 * 10**9),))
    await replica.settle("x")


async def asked(replica):
    """A client has."""
    async with replica.locks.of("x"):
        await replica.touch_locked("x", replica.index.place("x").row, 7 * 10**9, mode=0, account="a")


async def renamed(replica):
    """A client has renamed it."""
    await _move(replica, "x", "z", ["x"])


async def moved(replica):
    """A client has renamed the folder above it."""
    await _move(replica, "d", "z", ["d", "d/y"])


async def _move(replica, source, target, paths):
    known = {path: replica.index.place(path).heads for path in (*paths, target)}
    async with replica.locks.everything():
        await move(replica, Rename(id=1, source=source, target=target), paths, known, lambda *_: None)


CHANGES = {
    "heard": (heard, "touch", "x"),
    "asked": (asked, "touch", "x"),
    "renamed": (renamed, "rename", "x"),
    "moved": (moved, "rename", "d"),
}
"""What is done, by which call, and the stat of what it changes."""


async def rot(replica):
    """Other content in files that are known, of which stat says nothing."""
    for sequence, path in enumerate(ROTTEN, 1):
        hold(replica, b"good")
        replica.hear(path, (remote_head(b"good", sequence=sequence),))
        await replica.settle(path)
        file = replica.tree.root / path
        status = file.stat()
        file.write_bytes(b"evil")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        row = msgspec.structs.replace(replica.index.place(path).row, ctime_ns=file.stat().st_ctime_ns)
        replica.index.feed(path, Found(row=row, now_ns=0))
    await replica.index.durable()


async def look(replica, *, deleted):
    """At all that is there or was; what is gone was deleted, if an event says so."""
    for path in ("x", "d", "d/y", "z", "z/y"):
        await replica.rescan(path, deleted=deleted)


def contents(replica):
    """What anything is a version of."""
    return {head.content_id for place in replica.index.places.values() for head in place.heads if head.content_id}


def nothing(_do, _entry):
    pass


def half(_do, entry):
    """As a power cut may leave it, or a mode that was set before the time: only the ctime is another."""
    entry.chmod(0o700)


def all_of_it(do, _entry):
    do()


class KilledError(BaseException):
    """The program ends here."""


@pytest.mark.parametrize("done", [nothing, half, all_of_it])
@pytest.mark.parametrize("what", CHANGES)
async def test_it_is_none_after_a_kill(tmp_path, monkeypatch, what, done):
    change, call, entry = CHANGES[what]
    do, left = getattr(Tree, call), tmp_path / "left"
    left.mkdir()

    def do_and_die(*arguments):
        done(functools.partial(do, *arguments), tmp_path / "root" / entry)
        for each in tmp_path.glob("index.sqlite3*"):
            shutil.copy(each, left)
        raise KilledError

    async with OpenReplica(tmp_path) as here:
        await rot(here)
        monkeypatch.setattr(Tree, call, do_and_die)
        with pytest.raises(KilledError):
            await change(here)
        monkeypatch.undo()
    for each in tmp_path.glob("index.sqlite3*"):
        each.unlink()
    for each in left.iterdir():
        each.rename(tmp_path / each.name)
    async with OpenReplica(tmp_path) as here:
        assert await replay_intents(here)
        await look(here, deleted=False)
        assert contents(here) == {GOOD}


@pytest.mark.parametrize("done", [nothing, half, all_of_it])
@pytest.mark.parametrize("what", CHANGES)
async def test_it_is_none_after_the_disk_has_failed(tmp_path, monkeypatch, what, done):
    change, call, entry = CHANGES[what]
    do = getattr(Tree, call)

    def do_and_fail(*arguments):
        done(functools.partial(do, *arguments), tmp_path / "root" / entry)
        raise OSError(errno.EIO, "the disk fails")

    async with OpenReplica(tmp_path) as here:
        await rot(here)
        monkeypatch.setattr(Tree, call, do_and_fail)
        with pytest.raises(OSError, match="the disk fails"):
            await change(here)
        monkeypatch.undo()
        await look(here, deleted=True)
        assert contents(here) == {GOOD}
        assert not here.index.intents
