"""The peer wire: what one replicator says to another, as frames (cluster.frame) of these structs in MessagePack.

Every node dials every peer, and uses the connection that it dialled for what *it* wants; the other end only answers.
So between two nodes there are two connections, and each works without the other:

    dialler                                    answerer
    Hello(cluster, node, incarnation)     →
                                          ←    Welcome(node, incarnation, where it stopped, or why it is refused)
    Index(entries…, upto, complete)       →    merges the heads; Acked(seen, held) as it commits and fetches
    Known(rows)                           →    nothing; where some nodes have no link, who has heard what
    Prepare(number, content, data?)       →    Begin(number, offset) when it wants the bytes, then
    Chunk(number, data)…                  →    Prepared(number, problem): staged and fsynced, or why not
    PrepareSmall(number, files)           →    Prepared(number, problem): all of them, or why not
    Arriving(number, path, …)             →    Begin(number, 0) when it takes the bytes of an upload under way, then
    Chunk(number, data)…                  →    Taken(number, upto) as they are written, and in the end
    Same(number, size)…                        (in place of what the file that it replaces has there, too)
    Sealed(number, content, size)         →    Prepared(number, problem); or, in its stead,
    GivenUp(number, cut)                  →    nothing
    Commit(number, entries)               →    Committed(number, problem): visible under its name, and in the index
    AskBlocks(number, content_id, …)      →    Blocks(number, blocks, last, problem)…: what the content is made of
    Want(number, content_id, spans)       →    Data(number, data, problem)…: the bytes of the spans, in their order
                                          ←    Busy(number): the answer takes its time, and gets on
    Doubt(content)                        →    reads that content again, from its disk
    WantSmall(number, contents)           →    Small(number, contents): the first of them that fit into one message
    Canary(number, content)               →    Arrived(number, problem): fetched like any file, in place, durable
    Compare(number, folders' digests)     →    Compared(number, the folders that differ)
    Ping                                  →    Pong(its clock)

The index goes by the dialler's own sequence, so an answerer resumes by (incarnation, seen). An answerer that loses a
Prepare's connection keeps what is staged until it expires, and takes it when the head arrives: presumed abort.
Of an upload that is arriving no more than WINDOW_BYTES may be sent beyond what is Taken.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from replicator.core.belief import MAX_MTIME_NS
from replicator.core.head import Heads
from replicator.core.knowledge import MAX_ROWS

PROTOCOL: Final = 1
CHUNK_BYTES: Final = 512 << 10
WINDOW_BYTES: Final = 2 << 20
MAX_INDEX_ENTRIES: Final = 500
MAX_SMALL: Final = 256
MAX_HEADS: Final = 64
MAX_CANARY_BYTES: Final = 64 << 10
MAX_COMPARED: Final = 500
MAX_SPANS: Final = 256
NOT_HERE: Final = "it is not here"
"""The problem of a Data when the answerer has not that content; any other may pass."""

_Text = Annotated[str, Meta(max_length=4096)]
_Count = Annotated[int, Meta(ge=0)]
_Moment = Annotated[int, Meta(gt=-MAX_MTIME_NS, lt=MAX_MTIME_NS)]
_Content = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Digest = Annotated[bytes, Meta(min_length=16, max_length=16)]
_Folder = Annotated[str, Meta(max_length=4096)]
_Folders = Annotated[tuple[_Folder, ...], Meta(max_length=MAX_COMPARED)]
_Bytes = Annotated[bytes, Meta(max_length=2 << 20)]
_Row = Annotated[dict[_Text, _Count], Meta(max_length=MAX_ROWS)]


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """The heads of one path."""

    path: _Text
    heads: Heads


_Entries = Annotated[tuple[Entry, ...], Meta(max_length=MAX_INDEX_ENTRIES)]


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One message."""


class Hello(_Message, frozen=True, kw_only=True):
    """Who dials; its certificate must name `node`. Its index joined the cluster at `joined_ns`, 0 while it joins."""

    cluster: _Text
    node: _Text
    incarnation: _Text
    protocol: int
    joined_ns: int = 0


class Welcome(_Message, frozen=True, kw_only=True):
    """Who answers, and what it has of the dialler's index: `seen` up to there, content `held` up to there.

    `now_ns` is its wall clock, 0 if it does not say. `takes_small`: it knows PrepareSmall. `refused` says why the
    dialler's index may not go on: it has missed deletions that nobody remembers.
    """

    node: _Text
    incarnation: _Text
    seen: _Count
    held: _Count
    now_ns: int = 0
    takes_small: bool = False
    refused: _Text = ""


class Index(_Message, frozen=True, kw_only=True):
    """Entries announced by the dialler up to sequence `upto`; `complete` when that is all it has."""

    entries: _Entries
    upto: _Count
    complete: bool


class Known(_Message, frozen=True, kw_only=True):
    """Who has heard what: per replica, per other replica a sequence (replicator.core.knowledge).

    The dialler's own row is about no more than what it has told in Index and Commit on this connection or before.
    """

    rows: Annotated[dict[_Text, _Row], Meta(max_length=MAX_ROWS)]


class Acked(_Message, frozen=True, kw_only=True):
    """Heads up to `seen` are in the answerer's index, and content up to `held` on its disk, both durable."""

    seen: _Count
    held: _Count


class Prepare(_Message, frozen=True, kw_only=True):
    """Hold this content, hidden and durable; without a content id only say that you are well.

    `data` is all of it where it is small. `mtime_ns` is the time that the file will have, as far as that is known now.
    """

    number: _Count
    path: _Text
    content_id: _Content | None = None
    size_bytes: _Count = 0
    data: _Bytes | None = None
    mtime_ns: _Moment | None = None


class SmallFile(msgspec.Struct, frozen=True, array_like=True):
    """One that is to be held: its path, all of its content, and the time that it will have."""

    path: _Text
    content_id: _Content
    data: _Bytes
    mtime_ns: _Moment


class PrepareSmall(_Message, frozen=True, kw_only=True):
    """Hold the content of each of these files, as in Prepare; all of them or none is held."""

    number: _Count
    files: Annotated[tuple[SmallFile, ...], Meta(min_length=1, max_length=MAX_SMALL)]


class Arriving(_Message, frozen=True, kw_only=True):
    """Hold, hidden, what comes of an upload whose end is not known yet.

    If it is cut, or the connection is lost before its end, what came is kept for the account, for `keep_s`.
    `base` is the content of the file that it replaces.
    """

    number: _Count
    path: _Text
    account: _Text = ""
    keep_s: Annotated[float, Meta(ge=0, le=10**9)] = 0.0
    base: _Content | None = None


class Taken(_Message, frozen=True, kw_only=True):
    """The bytes of an arriving upload are written up to there, though not durable yet."""

    number: _Count
    upto: _Count


class Sealed(_Message, frozen=True, kw_only=True):
    """The upload is whole: its bytes, all sent, must have this content id; make them durable. `mtime_ns` as above."""

    number: _Count
    content_id: _Content
    size_bytes: _Count
    mtime_ns: _Moment | None = None


class GivenUp(_Message, frozen=True, kw_only=True):
    """The upload will not end: it was `cut`, or it is not wanted any more."""

    number: _Count
    cut: bool = False


class Begin(_Message, frozen=True, kw_only=True):
    """Send the bytes from `offset` on; those that are the `base`'s, which `has_base` says is here, may come as Same."""

    number: _Count
    offset: _Count
    has_base: bool = False


class Chunk(_Message, frozen=True, kw_only=True):
    """The next bytes of a Prepare or of an arriving upload; an empty one means that the dialler gave up its Prepare."""

    number: _Count
    data: _Bytes


class Same(_Message, frozen=True, kw_only=True):
    """The next bytes of an arriving upload are those that its base has in the same place."""

    number: _Count
    size_bytes: Annotated[int, Meta(ge=1, le=CHUNK_BYTES)]


class Prepared(_Message, frozen=True, kw_only=True):
    """It is held, or the problem in a line."""

    number: _Count
    problem: _Text = ""


class Commit(_Message, frozen=True, kw_only=True):
    """These heads are published: show them."""

    number: _Count
    entries: Annotated[tuple[Entry, ...], Meta(min_length=1, max_length=MAX_INDEX_ENTRIES)]


class Committed(_Message, frozen=True, kw_only=True):
    """They are shown and durable, or the problem in a line."""

    number: _Count
    problem: _Text = ""


class AskBlocks(_Message, frozen=True, kw_only=True):
    """Which blocks is this content of `size_bytes` made of?"""

    number: _Count
    content_id: _Content
    size_bytes: _Count


class Blocks(_Message, frozen=True, kw_only=True):
    """The next of its blocks, packed (replicator.core.recipe); `last` ends the answer, or a problem does."""

    number: _Count
    blocks: _Bytes = b""
    last: bool = False
    problem: _Text = ""


class Span(msgspec.Struct, frozen=True, array_like=True):
    """`size_bytes` of a content, from `offset` on."""

    offset: _Count
    size_bytes: Annotated[int, Meta(ge=1)]


class Want(_Message, frozen=True, kw_only=True):
    """Send these spans of the content."""

    number: _Count
    content_id: _Content
    spans: Annotated[tuple[Span, ...], Meta(min_length=1, max_length=MAX_SPANS)]


class Data(_Message, frozen=True, kw_only=True):
    """The next bytes of the spans, never of two at once, perhaps `packed`; or the problem, which ends the answer."""

    number: _Count
    data: _Bytes = b""
    packed: bool = False
    problem: _Text = ""


class WantSmall(_Message, frozen=True, kw_only=True):
    """Send these small contents whole."""

    number: _Count
    contents: Annotated[tuple[_Content, ...], Meta(min_length=1, max_length=MAX_SMALL)]


class Small(_Message, frozen=True, kw_only=True):
    """The first of them, at least one, in their order; none for one that is not here."""

    number: _Count
    contents: Annotated[tuple[_Bytes | None, ...], Meta(min_length=1, max_length=MAX_SMALL)]


class Busy(_Message, frozen=True, kw_only=True):
    """The answer under that number is being worked on, and has got on since the last Busy."""

    number: _Count


class Doubt(_Message, frozen=True, kw_only=True):
    """What you gave under this id was something else: look whether your disk has damaged it. There is no answer."""

    content_id: _Content


class Canary(_Message, frozen=True, kw_only=True):
    """A file that is no file: take it as one is taken, but keep it where no client looks, and say when it is there."""

    number: _Count
    content_id: _Content
    size_bytes: Annotated[int, Meta(ge=0, le=MAX_CANARY_BYTES)]


class Arrived(_Message, frozen=True, kw_only=True):
    """The canary is in place, durable like a file, or the problem in a line."""

    number: _Count
    problem: _Text = ""


class FolderDigest(msgspec.Struct, frozen=True, array_like=True):
    """What a folder has: a digest of the versions of its own entries, and one of all that is below it."""

    folder: _Folder
    own: _Digest
    below: _Digest


class Compare(_Message, frozen=True, kw_only=True):
    """Which of these folders differ from yours? Versions stamped from `before_ns` on are left out on both sides."""

    number: _Count
    before_ns: _Count
    folders: Annotated[tuple[FolderDigest, ...], Meta(max_length=MAX_COMPARED)]


class Compared(_Message, frozen=True, kw_only=True):
    """The folders whose own entries differ, and those where something below does."""

    number: _Count
    own: _Folders
    below: _Folders


class Ping(_Message, frozen=True, kw_only=True):
    """Are you there?"""


class Pong(_Message, frozen=True, kw_only=True):
    """I am; `now_ns` is its wall clock, as in Welcome."""

    now_ns: int = 0


Asked = (
    Hello
    | Index
    | Known
    | Prepare
    | PrepareSmall
    | Arriving
    | Chunk
    | Same
    | Sealed
    | GivenUp
    | Commit
    | AskBlocks
    | Want
    | WantSmall
    | Doubt
    | Canary
    | Compare
    | Ping
)
Answered = (
    Welcome | Acked | Begin | Taken | Prepared | Committed | Blocks | Data | Small | Busy | Arrived | Compared | Pong
)
Message = Asked | Answered

_messages: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """The payload of a frame."""
    return msgspec.msgpack.encode(message)


def decode(payload: bytes) -> Message:
    """A message from a frame's payload; msgspec.MsgspecError when it is none."""
    try:
        return _messages.decode(payload)
    except UnicodeDecodeError as error:  # msgspec lets it pass
        message = f"a text that is not UTF-8: {error}"
        raise msgspec.DecodeError(message) from error
