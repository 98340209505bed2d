"""Links and special files in the root: listed, never followed, never in a thread's way, and never replaced or lost."""

import asyncio
import os
import socket

import pytest

from cluster.content_id import content_id_of
from replicator.core.head import Kind
from replicator.not_yet import NotYetError
from replicator.watching.scan import Scan
from replicator.watching.watch import Watch
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica, hold, remote_head

pytestmark = pytest.mark.asyncio
SOON_S = 10


def fifo(path, _outside):
    os.mkfifo(path)


def socket_file(path, _outside):
    with socket.socket(socket.AF_UNIX) as listener:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            listener.bind(f"/proc/self/fd/{folder}/{path.name}")  # the path itself is too long for a socket
        finally:
            os.close(folder)


ODD = {
    "a link to a file": lambda path, outside: path.symlink_to(outside / "file"),
    "a link to a folder": lambda path, outside: path.symlink_to(outside),
    "a link to nothing": lambda path, outside: path.symlink_to(outside / "nowhere"),
    "a FIFO": fifo,
    "a socket": socket_file,
}


@pytest.fixture(params=ODD)
def put_odd(request, tmp_path):
    """Puts something odd at a path."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"theirs")
    yield lambda path: ODD[request.param](path, outside)
    assert tree(outside) == {"file": b"theirs"}


async def scanned(here):
    return await asyncio.wait_for(Scan(here, Watch(here.tree.root), missing_is_deleted=True).run(), SOON_S)


async def test_it_is_listed_and_nothing_of_it_is_taken_in(tmp_path, put_odd):
    async with OpenReplica(tmp_path) as here:
        put_odd(here.tree.root / "odd")
        odd = await scanned(here)
        assert [entry.path for entry in odd.listed] == ["odd"]
        assert not here.index.places


async def test_a_name_that_cannot_be_is_listed_with_what_can_be_shown_of_it(tmp_path):
    async with OpenReplica(tmp_path) as here:
        for name in (b"caf\xe9", b"line\nfeed"):
            (here.tree.root / os.fsdecode(name)).write_bytes(b"")
        odd = await scanned(here)
        assert {entry.path: entry.why for entry in odd.listed} == {
            "caf\\xe9": "the name is not valid UTF-8",
            "line\\nfeed": "the name has a control character",
        }
        assert not here.index.places


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY])
async def test_what_a_peer_has_under_its_name_waits_until_it_is_moved_away(tmp_path, put_odd, kind):
    content = b"theirs" if kind is Kind.FILE else None
    async with OpenReplica(tmp_path) as here:
        put_odd(here.tree.root / "odd")
        before = os.lstat(here.tree.root / "odd")
        if content:
            hold(here, content)
        here.hear("odd", (remote_head(content or b"", kind=kind),))
        with pytest.raises((NotYetError, OSError)):
            await asyncio.wait_for(here.settle("odd"), SOON_S)
        assert os.lstat(here.tree.root / "odd") == before
        (here.tree.root / "odd").unlink()
        if content and not here.staging.has(remote_head(content).content_id):
            hold(here, content)
        await asyncio.wait_for(here.settle("odd"), SOON_S)
        assert tree(here.tree.root) == {"odd": content}


async def test_what_a_peer_has_below_its_name_waits_too(tmp_path, put_odd):
    async with OpenReplica(tmp_path) as here:
        put_odd(here.tree.root / "odd")
        hold(here, b"theirs")
        here.hear("odd/file", (remote_head(b"theirs"),))
        with pytest.raises((NotYetError, OSError)):
            await asyncio.wait_for(here.settle("odd/file"), SOON_S)
        assert here.index.place("odd/file").row is None


async def test_a_file_that_becomes_one_is_not_deleted_and_a_peer_that_deletes_it_does_not_remove_what_is_odd(
    tmp_path, put_odd
):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "d").mkdir()
        (here.tree.root / "d/x").write_bytes(b"mine")
        await here.rescan("d/x")
        (mine,) = heads = here.index.place("d/x").heads
        assert mine.content_id == content_id_of(b"mine")
        (here.tree.root / "d/x").unlink()
        put_odd(here.tree.root / "d/x")
        with pytest.raises(NotYetError):
            await asyncio.wait_for(here.rescan("d/x", deleted=True), SOON_S)
        await scanned(here)
        assert here.index.place("d/x").heads == heads
        here.hear("d/x", (remote_head(None, saw={"here:1": here.index.clock.sequence}),))
        with pytest.raises((NotYetError, OSError)):
            await asyncio.wait_for(here.settle("d/x"), SOON_S)
        os.lstat(here.tree.root / "d/x")


async def test_a_folder_that_becomes_a_link_deletes_nothing_of_what_was_in_it(tmp_path):
    """As an operator does who moves a folder to another disk."""
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "d").mkdir()
        (here.tree.root / "d/x").write_bytes(b"mine")
        await here.rescan("d/x")
        (mine,) = heads = here.index.place("d/x").heads
        assert mine.content_id == content_id_of(b"mine")
        (here.tree.root / "d").rename(tmp_path / "elsewhere")
        (here.tree.root / "d").symlink_to(tmp_path / "elsewhere")
        scan = Scan(here, Watch(here.tree.root), missing_is_deleted=True)
        await scan.delete(["d"])
        odd = await scan.run()
        assert [entry.path for entry in odd.listed] == ["d"]
        assert here.index.place("d/x").heads == heads
