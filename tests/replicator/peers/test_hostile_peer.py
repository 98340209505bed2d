"""A peer with a right certificate sends whatever it likes: nothing leaves the root, and only its connection ends."""

import asyncio
import random
import re

import msgspec
import pytest

from cluster.clock import now_ns
from cluster.content_id import content_id_of
from cluster.replication_settings import Replication
from cluster.tree_path import complaint
from replicator.core.head import Dot, Head, Kind
from replicator.peers.door import PeerDoor
from replicator.peers.spreading import Spreading
from replicator.peers.wire import (
    PROTOCOL,
    Arriving,
    Chunk,
    Commit,
    Entry,
    Hello,
    Index,
    Known,
    Message,
    Ping,
    Prepare,
    Sealed,
    Span,
    Want,
    decode,
    encode,
)
from tests.kit.publish_client import tree
from tests.kit.replica import OpenReplica

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]
CONTENT = b"content"
CONTENT_ID = content_id_of(CONTENT)
HOSTILE = {
    str: ("", "..", "../../outside", "/outside", ".tripod/marker", "d/../../outside", "a\0b", "a" * 5000, "\ud800x"),
    int: (-1, 0, 1, 2**31, 2**62, 2**63 - 1),
    bytes: (b"", b"?", b"x" * 3_000_000),
    bool: (True, False),
}
SEEDS, FRAMES = 20, 12


class Wire:
    """A connection on which somebody has said all this at once; what is answered is heard by nobody."""

    closed = False
    heard_s = 0.0

    def __init__(self, payloads):
        self._payloads = list(payloads)
        self.sent = []

    async def receive(self):
        await asyncio.sleep(0)
        if not self._payloads:
            await asyncio.sleep(0.02)  # what was begun goes on
            raise EOFError
        return decode(self._payloads.pop(0))

    async def expect(self, kind, _timeout_s):
        message = await self.receive()
        assert isinstance(message, kind)
        return message

    async def send(self, message):
        self.sent.append(message)

    def names(self):
        return frozenset({"there"})

    def close(self):
        self.closed = True


def honest(chance) -> Message:
    dot = Dot("there:1", chance.randint(1, 9))
    kind = chance.choice(list(Kind))
    head = Head(
        dot=dot,
        vector={"there:1": dot.sequence - 1} if dot.sequence > 1 else {},
        stamp_ns=now_ns(),
        kind=kind,
        content_id=CONTENT_ID if kind is Kind.FILE else "",
        size_bytes=len(CONTENT),
    )
    entries = (Entry(chance.choice(("x", "d/x", "d")), (head,)),)
    number = chance.randint(1, 3)
    return chance.choice(
        (
            Index(entries=entries, upto=dot.sequence, complete=True),
            Prepare(number=number, path="x", content_id=CONTENT_ID, size_bytes=len(CONTENT), data=CONTENT),
            Prepare(number=number, path="x", content_id=CONTENT_ID, size_bytes=len(CONTENT)),
            Arriving(number=number, path="x"),
            Chunk(number=number, data=CONTENT),
            Sealed(number=number, content_id=CONTENT_ID, size_bytes=len(CONTENT)),
            Commit(number=number, entries=entries),
            Want(number=number, content_id=CONTENT_ID, spans=(Span(0, len(CONTENT)),)),
            Known(rows={"there:1": {"there:1": 5, "here:1": 1}}),
            Ping(),
        )
    )


def twisted(value, chance):
    """One thing in it, however deep, is something else."""
    if isinstance(value, msgspec.Struct) and value.__struct_fields__:
        name = chance.choice(value.__struct_fields__)
        return msgspec.structs.replace(value, **{name: twisted(getattr(value, name), chance)})
    if isinstance(value, tuple) and value:
        return (twisted(value[0], chance), *value[1:]) if chance.random() < 0.8 else value * 300
    if isinstance(value, dict):
        return {chance.choice(HOSTILE[str][:6]): chance.choice(HOSTILE[int])}
    return chance.choice(HOSTILE.get(type(value), (None, 7, "?")))


def payload(chance) -> bytes:
    message = honest(chance)
    try:
        data = encode(twisted(message, chance) if chance.random() < 0.7 else message)
    except UnicodeEncodeError:
        data = encode(message).replace(b"x", b"\xff")
    if chance.random() < 0.2 and data:
        position = chance.randrange(len(data))
        data = data[:position] + bytes([chance.randrange(256)]) + data[position + 1 :]
    return data


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
            wire = Wire([hello, *(payload(chance) for _ in range(chance.randint(1, 6)))])
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
