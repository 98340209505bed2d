"""Nothing stays open when reading fails or is given up: what is tried again every second would use up all that a
program may have open.
"""

import os
from pathlib import Path

import pytest

from replicator.peers.throttle import Throttle
from replicator.peers.wire import AskBlocks
from replicator.transfers.giving import Giving
from replicator.transfers.outlines import Outlines
from replicator.transfers.part import Part
from tests.kit.replica import OpenReplica

UNREADABLE = Path("/proc/self/mem")
"""It can be opened, and its first bytes are EIO."""


def opened():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_beginning_of_a_file_that_cannot_be_read_again():
    before = opened()
    with pytest.raises(OSError, match="Input/output"):
        Part(UNREADABLE)
    assert opened() == before


class Gone:
    """A connection that ends with the first answer."""

    closed = True
    send_s = 0.0

    async def send(self, _message):
        raise ConnectionResetError


@pytest.mark.asyncio
async def test_a_file_whose_blocks_nobody_hears_any_more(tmp_path):
    async with OpenReplica(tmp_path) as here:
        (here.tree.root / "x").write_bytes(os.urandom(3_000_000))
        await here.rescan("x")
        row = here.index.place("x").row
        giving = Giving(here, Gone(), Outlines(here), Throttle(None), "off")
        before = opened()
        asked = AskBlocks(number=1, content_id=row.content_id, size_bytes=row.size_bytes)
        with pytest.raises(ConnectionResetError):
            await giving.tell_blocks(asked)
        assert opened() == before
