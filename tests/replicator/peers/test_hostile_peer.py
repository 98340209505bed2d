"""A peer with a right certificate sends whatever it likes: nothing leaves the root, and only its connection ends."""

import asyncio
import random
import re

import pytest

from cluster.replication_settings import Replication
from cluster.tree_path import complaint
from replicator.peers.door import PeerDoor
from replicator.peers.spreading import Spreading
from replicator.peers.wire import PROTOCOL, Hello, encode
from tests.kit.hostile_peer import Wire, asking, payload
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]
SEEDS, FRAMES = 20, 12


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_a_peer_sends_nothing_leaves_the_root(tmp_path, seed):
    chance = random.Random(seed)
    outside = {}
    (tmp_path / "here").mkdir()
    for file in (tmp_path / "outside", tmp_path / "here/outside"):
        file.write_bytes(b"not yours")
        outside[file] = b"not yours"
    settings = Replication(disk_reserve_bytes=0, lease_s=1.0)
    async with OpenReplica(tmp_path / "here") as here:
        mark = (here.tree.root / ".tripod/marker").read_bytes()
        door = PeerDoor("test", "here", frozenset({"there"}), here, settings)
        door.spreading = Spreading(here.index, frozenset({"here", "there"}))
        for _ in range(FRAMES):
            hello = encode(Hello(cluster="test", node="there", incarnation="1", protocol=PROTOCOL))
            wire = Wire([hello, *(payload(asking(chance), chance) for _ in range(chance.randint(1, 6)))])
            await asyncio.wait_for(door.answer(wire), 60)  # with one of LOST, which it logs
            assert wire.closed
        await door.stop()
        assert (here.tree.root / ".tripod/marker").read_bytes() == mark
        for path in tree(here.tree.root):
            assert complaint(path) is None
        for path in here.index.places:
            assert complaint(path) is None
        names = {file.name for file in here.staging.folder.iterdir()}
        assert all(re.fullmatch(r"peer-[0-9a-f]{64}-\w+|arriving-\w+|part-\w+", name) for name in names), names
    assert {file: file.read_bytes() for file in outside} == outside
    assert sorted(file.name for file in tmp_path.iterdir()) == ["here", "outside"]
