"""A peer with a right certificate that says whatever chance, or a fuzzer, makes of honest messages."""

import asyncio
from typing import Final

import msgspec

from cluster.clock import now_ns
from cluster.content_id import content_id_of
from replicator.core.head import Dot, Head, Kind
from replicator.core.recipe import Block, pack
from replicator.peers.wire import (
    Acked,
    Arrived,
    Arriving,
    AskBlocks,
    Begin,
    Blocks,
    Busy,
    Canary,
    Chunk,
    Commit,
    Committed,
    Compare,
    Compared,
    Data,
    Doubt,
    Entry,
    FolderDigest,
    GivenUp,
    Index,
    Known,
    Message,
    Ping,
    Pong,
    Prepare,
    Prepared,
    PrepareSmall,
    Same,
    Sealed,
    Small,
    SmallFile,
    Span,
    Taken,
    Want,
    WantSmall,
    decode,
    encode,
)

CONTENT: Final = b"content"
CONTENT_ID: Final = content_id_of(CONTENT)
HOSTILE: Final = {
    str: ("", "..", "../../outside", "/outside", ".tripod/marker", "d/../../outside", "a\0b", "a" * 5000, "\ud800x"),
    int: (-1, 0, 1, 2**31, 2**62, 2**63 - 1),
    bytes: (b"", b"?", b"x" * 3_000_000),
    bool: (True, False),
    float: (-1.0, 0.0, 1e18, float("inf"), float("nan")),
}


class Wire:
    """A connection on which somebody says this; what is answered is heard by nobody."""

    closed = False
    heard_s = 0.0
    send_s = 0.0

    def __init__(self, payloads, *, rest_s=0.02):
        self._payloads = list(payloads)
        self._rest_s = rest_s
        self.sent = []

    async def receive(self):
        await asyncio.sleep(0)
        if not self._payloads:
            await asyncio.sleep(self._rest_s)  # what was begun goes on
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


def asking(chance) -> Message:
    """What a dialler may say, of a few paths, numbers and contents."""
    dot = Dot("there:1", chance.randint(1, 9))
    kind = chance.choice(list(Kind))
    head = Head(
        dot=dot,
        vector={"there:1": dot.sequence - 1} if dot.sequence > 1 else {},
        stamp_ns=now_ns(),
        kind=kind,
        content_id=CONTENT_ID if kind is Kind.FILE else "",
        size_bytes=len(CONTENT) if kind is Kind.FILE else 0,
    )
    entries = (Entry(chance.choice(("x", "d/x", "d")), (head,)),)
    number = chance.randint(1, 3)
    size_bytes = len(CONTENT)
    return chance.choice(
        (
            Index(entries=entries, upto=dot.sequence, complete=True),
            Known(rows={"there:1": {"there:1": dot.sequence}}),
            Prepare(number=number, path="x", content_id=CONTENT_ID, size_bytes=size_bytes, data=CONTENT),
            Prepare(number=number, path="x", content_id=CONTENT_ID, size_bytes=size_bytes),
            Arriving(number=number, path="x", keep_s=chance.choice((0.0, 5.0))),
            Arriving(number=number, path="old", base=CONTENT_ID),
            Same(number=number, size_bytes=size_bytes),
            Chunk(number=number, data=CONTENT),
            Sealed(number=number, content_id=CONTENT_ID, size_bytes=size_bytes),
            GivenUp(number=number, cut=chance.choice((True, False))),
            Commit(number=number, entries=entries),
            AskBlocks(number=number, content_id=CONTENT_ID, size_bytes=size_bytes),
            Want(number=number, content_id=CONTENT_ID, spans=(Span(0, size_bytes),)),
            WantSmall(number=number, contents=(CONTENT_ID,)),
            PrepareSmall(
                number=number,
                files=tuple(SmallFile(path, CONTENT_ID, chance.choice((CONTENT, b"no")), 5) for path in ("x", "d/z")),
            ),
            Doubt(content_id=CONTENT_ID),
            Canary(number=number, content_id=CONTENT_ID, size_bytes=size_bytes),
            Compare(number=number, before_ns=now_ns(), folders=(FolderDigest("", bytes(16), bytes(16)),)),
            Ping(),
        )
    )


def answering(chance, number: int) -> Message:
    """What an answerer may say under a number."""
    return chance.choice(
        (
            Data(number=number, data=CONTENT),
            Small(number=number, contents=(CONTENT,)),
            Blocks(number=number, blocks=pack([Block(len(CONTENT), bytes(16))]), last=True),
            Begin(number=number, offset=0),
            Prepared(number=number),
            Committed(number=number),
            Taken(number=number, upto=len(CONTENT)),
            Arrived(number=number),
            Compared(number=number, own=("",), below=("",)),
            Busy(number=number),
            Acked(seen=chance.randint(0, 9), held=chance.randint(0, 9)),
            Pong(now_ns=now_ns()),
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


def payload(message: Message, chance) -> bytes:
    """The message on the wire, most of the time not quite as it should be."""
    try:
        data = encode(twisted(message, chance) if chance.random() < 0.7 else message)
    except UnicodeEncodeError:
        data = encode(message).replace(b"x", b"\xff")
    if chance.random() < 0.2 and data:
        position = chance.randrange(len(data))
        data = data[:position] + bytes([chance.randrange(256)]) + data[position + 1 :]
    return data
