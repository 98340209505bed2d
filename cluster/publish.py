"""The publish protocol: what an ftpnode asks of the replicator on its host, and the answers.

A Unix stream socket `STATE/publish.sock` carries frames (cluster.frame) of these structs as MessagePack. A client may
send many requests on one connection; each answer carries the id of its request and may come in any order. An answer
`Done` is a promise: the change is durable here, and on as many nodes as `copies` says. See docs/protocols.md.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec

from cluster.content_id import ContentId
from cluster.health import ReplicatorHealth
from cluster.quota import Quota, Usage

SOCKET_NAME: Final = "publish.sock"
MAX_NAMES: Final = 1000
"""How many files one DescribeFiles may ask for."""

PolicyName = Literal["local", "any-peer", "quorum", "all"]
WhenShort = Literal["degrade", "refuse"]


class Policy(msgspec.Struct, frozen=True):
    """How many nodes must hold a change before the answer, and what to do when fewer can in time."""

    nodes: PolicyName = "any-peer"
    when_short: WhenShort = "degrade"


class _Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    id: int
    account: str = ""
    policy: Policy = Policy()
    quota: Quota | None = None
    """The account's, where it has one: Publish and MakeDirectory that would exceed it are Refused(OVER_QUOTA)."""


class Publish(_Request, frozen=True, kw_only=True):
    """Give the staged file its name.

    `staged` is a file name in ROOT/.tripod/staging, complete and fsynced, that belongs to the replicator from now on
    (it is gone after the answer, whichever it is). `path` is a tree path; missing parents are made.
    The same content under the same path is the same version: nothing changes, and the answer is Done.
    """

    path: str
    staged: str
    content_id: ContentId
    size_bytes: int
    mtime_ns: int


class Arriving(_Request, frozen=True, kw_only=True):
    """An upload has begun: bring its bytes to the peers while the staged file still grows; answered at once by Done.

    A Publish of the same staged file needs no more of them then than the last bytes. Nothing is promised by it.
    If it is cut, here or with this node, what has come is kept for `keep_s` wherever it is.
    """

    path: str
    staged: str
    keep_s: Annotated[float, msgspec.Meta(ge=0, le=10**9)] = 0.0


class Cut(_Request, frozen=True, kw_only=True):
    """An upload was cut: its staged file belongs to the replicator now, which keeps or removes it; answered by Done.

    Kept is only what has come right so far, if it is wanted (`keep`).
    """

    staged: str
    keep: bool = True


class OutOfOrder(_Request, frozen=True, kw_only=True):
    """An upload that arrives is written out of order from the answer on: it may have holes, and changes again.

    No peer gets more of it before its Publish, and nobody may go on with what has come; answered by Done.
    """

    staged: str


class FindPartial(_Request, frozen=True, kw_only=True):
    """What has come here of an upload to `path` by the account that has no end yet, where no file stands at `path`.

    Answered by PartialFound or Refused(NOT_FOUND).
    """

    path: str


class MakeDirectory(_Request, frozen=True, kw_only=True):
    """Make one directory; Refused(EXISTS) when there is an entry, Refused(NOT_FOUND) without its parent."""

    path: str


class Remove(_Request, frozen=True, kw_only=True):
    """Remove a file, or an empty directory."""

    path: str
    kind: Literal["file", "directory"]


class Rename(_Request, frozen=True, kw_only=True):
    """Rename a file or a directory with all below it; an existing target file is replaced if `replace`."""

    source: str
    target: str
    replace: bool = True


class SetMtime(_Request, frozen=True, kw_only=True):
    """Give a file another modification time (MFMT): a new head with the same content id."""

    path: str
    mtime_ns: int


class Fetch(_Request, frozen=True, kw_only=True):
    """Wait until the content that `path` should have is here (read-through); NOT_FOUND when the index has no such."""

    path: str


class Describe(_Request, frozen=True, kw_only=True):
    """What is known of the file at `path`, wherever its content is; answered by Described or Refused(NOT_FOUND)."""

    path: str


class DescribeFiles(_Request, frozen=True, kw_only=True):
    """As Describe, for many files of the folder `folder` at once; answered by DescribedFiles."""

    folder: str
    names: Annotated[tuple[str, ...], msgspec.Meta(max_length=MAX_NAMES)]


class Measure(_Request, frozen=True, kw_only=True):
    """What stands below the folder `folder`, and at `path` (empty: not asked); answered by Measured."""

    folder: str
    path: str = ""


class CheckName(_Request, frozen=True, kw_only=True):
    """May a client make an entry at `path`, by its name? Done, or Refused(NAMESAKE); a Publish may yet be refused."""

    path: str


class PutCanary(_Request, frozen=True, kw_only=True):
    """Make a canary, a small file that no client sees, durable here, and send it to the peers as files are sent.

    Answered by Described: its content id.
    """


class FindCanary(_Request, frozen=True, kw_only=True):
    """Is one of the last canaries of a peer here, its content on the disk right? Done: `copies` is 1 if so, else 0."""

    content_id: ContentId


class Ask(_Request, frozen=True, kw_only=True):
    """How are you? Answered by State."""


Question = Describe | DescribeFiles | Measure | CheckName | Ask
"""Changes nothing."""

Change = Publish | MakeDirectory | Remove | Rename | SetMtime
"""Changes the tree."""

Request = Change | Arriving | OutOfOrder | Cut | FindPartial | Fetch | PutCanary | FindCanary | Question


class Reason(StrEnum):
    """Why a request was refused; ftpnode has a table from these to FTP replies."""

    TOO_FEW_COPIES = "too-few-copies"
    DISK_FULL = "disk-full"
    OVER_QUOTA = "over-quota"
    NOT_READY = "not-ready"
    NOT_FOUND = "not-found"
    EXISTS = "exists"
    NOT_EMPTY = "not-empty"
    BAD_PATH = "bad-path"
    NAMESAKE = "namesake"
    CHANGED = "changed"
    IO_ERROR = "io-error"
    HELD_BACK = "held-back"
    READ_ONLY = "read-only"


class Done(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It is done, durable on `copies` nodes; `wanted` is what the policy asked for; fewer means it was degraded."""

    id: int
    copies: int
    wanted: int
    note: str = ""

    @property
    def degraded(self) -> bool:
        """Whether fewer nodes hold the change than the policy asks for."""
        return self.copies < self.wanted


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Nothing changed; `text` is one line for a person."""

    id: int
    reason: Reason
    text: str


class Described(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to Describe: at least `copies` of the cluster's `nodes` hold the content (this one may lack it)."""

    id: int
    content_id: ContentId
    copies: int
    nodes: int


class Copies(msgspec.Struct, frozen=True):
    """One file's content, and how many nodes are known to hold it, as in Described."""

    content_id: ContentId
    copies: int


class DescribedFiles(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to DescribeFiles, by name; names of which nothing is known, or that are no files, are left out."""

    id: int
    files: dict[str, Copies]


class PartialFound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to FindPartial: the first `size_bytes` of `name` in staging, which are fewer than have come."""

    id: int
    name: str
    size_bytes: int


class Measured(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to Measure: all that stands below the folder, and the size of the file at `path` where one is."""

    id: int
    used: Usage
    file_bytes: int | None = None


class State(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to Ask."""

    id: int
    health: ReplicatorHealth


Answer = Done | Refused | Described | DescribedFiles | PartialFound | Measured | State

_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def encode(message: Request | Answer) -> bytes:
    """The payload of a frame."""
    return msgspec.msgpack.encode(message)


def decode_request(payload: bytes) -> Request:
    """A request from a frame's payload; msgspec.DecodeError or ValidationError when it is none."""
    return _requests.decode(payload)


def decode_answer(payload: bytes) -> Answer:
    """An answer from a frame's payload; msgspec.DecodeError or ValidationError when it is none."""
    return _answers.decode(payload)
