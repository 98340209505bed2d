"""Small contents are given many at once, from wherever they lie, and never what has changed since it was known."""

import os
from types import SimpleNamespace

import pytest

from cluster.content_id import content_id_of
from replicator.disk.staging import Held
from replicator.peers.throttle import Throttle
from replicator.peers.wire import CHUNK_BYTES, WantSmall
from replicator.transfers.giving import Giving
from tests.kit.replica import OpenReplica

pytestmark = pytest.mark.asyncio


async def given(replica, *contents):
    """What a peer is sent that wants these."""
    sent = []

    async def send(message):
        sent.append(message)

    giving = Giving(replica, SimpleNamespace(send=send), None, Throttle(None), "off")
    await giving.give_small(WantSmall(number=7, contents=tuple(content_id_of(content) for content in contents)))
    (answer,) = sent
    assert answer.number == 7
    return answer.contents


def staged(replica, content):
    file = replica.staging.new_file(content_id_of(content))
    file.write_bytes(content)
    replica.staging.add(Held(content_id_of(content), file))


async def test_contents_of_the_tree_and_of_staging_are_given_and_others_are_not_here(tmp_path):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "d").mkdir()
        for number in range(5):
            (here.tree.root / f"d/{number}").write_bytes(b"%d" % number)
            await here.rescan(f"d/{number}")
        staged(here, b"staged")
        assert await given(here, b"0", b"nowhere", b"staged", b"4") == (b"0", None, b"staged", b"4")


async def test_what_was_changed_removed_or_swapped_for_a_link_since_is_not_given(tmp_path):
    async with OpenReplica(tmp_path) as here:
        for name in ("changed", "removed", "link"):
            (here.tree.root / name).write_bytes(name.encode())
            await here.rescan(name)
        os.utime(here.tree.root / "changed", ns=(1, 1))
        (here.tree.root / "removed").unlink()
        (here.tree.root / "link").rename(tmp_path / "outside")
        (here.tree.root / "link").symlink_to(tmp_path / "outside")
        assert await given(here, b"changed", b"removed", b"link") == (None, None, None)


async def test_one_message_has_only_what_fits_but_one_content_at_least(tmp_path):
    contents = [bytes([number]) * CHUNK_BYTES for number in range(6)]
    async with OpenReplica(tmp_path) as here:
        for content in contents:
            staged(here, content)
        staged(here, bytes(CHUNK_BYTES + 1))
        assert await given(here, *contents) == tuple(contents[:4])
        assert await given(here, bytes(CHUNK_BYTES + 1)) == (None,)
