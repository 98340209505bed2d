"""Decides what a path is, from the set of its heads: which versions supersede which, who wins, who lost.

A head is one version of one path that no other known version supersedes. Merging is the union of two sets minus what
is superseded: commutative, associative and idempotent, so the order in which news arrives cannot matter. The winner
is a function of the *set*; folding versions pairwise by "newest wins" is not transitive and diverges.

Dots and vectors say what supersedes what, stamps only which of the rest wins. So a stamp from the future may be put
right later: that is the same version still, and cannot come to stand beside what had replaced it.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

MAX_ACCOUNT: Final = 64
"""The longest name of an account in a version; settings allow no longer one."""

Vector = dict[str, int]
"""Per replica (`node:incarnation`) the highest sequence seen; what is not named has not been seen. Never changed."""


class Kind(StrEnum):
    """What a version says that the path is."""

    FILE = "file"
    DIRECTORY = "directory"
    TOMBSTONE = "tombstone"


class Dot(msgspec.Struct, frozen=True, order=True, array_like=True):
    """The identity of one change: the `sequence`-th change of `replica` (`node:incarnation`)."""

    replica: str
    sequence: int

    @property
    def node(self) -> str:
        """The node on which the change was made."""
        return self.replica.partition(":")[0]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one path; `vector` covers every version its maker had seen, so never its own dot.

    A dot beside a vector, not in it, tells a version from those of the same replica that it has not seen (dotted
    version vectors, Preguiça et al. 2010): a directory does not supersede a file that its own node made earlier.

    The stamp alone may differ between two accounts of one version; then the earlier one counts.

    `mtime_ns`, `mode` and `account` (who changed it through the cluster; empty where nobody knows) are payload: they
    decide nothing.
    """

    dot: Dot
    vector: Vector
    stamp_ns: int
    kind: Kind
    content_id: str = ""
    size_bytes: int = 0
    mtime_ns: int = 0
    mode: int = 0
    account: str = ""

    @property
    def seen(self) -> Vector:
        """What somebody has seen who has seen this version."""
        return self.vector | {self.dot.replica: self.dot.sequence}

    @property
    def is_live(self) -> bool:
        """Whether it says that something is there."""
        return self.kind is not Kind.TOMBSTONE

    @property
    def permissions(self) -> int:
        """What of its mode a replica may give."""
        return permissions(self.mode)

    @property
    def rank(self) -> tuple[int, str, int]:
        """The order among heads that did not see one another: hybrid clock, then replica."""
        return self.stamp_ns, self.dot.replica, self.dot.sequence


def permissions(mode: int) -> int:
    """What of a file's mode travels: never setuid, setgid or sticky; 0 where none is known.

    The owner, as whom replicas work, may read and write whatever the mode says, or it could not be replicated on.
    """
    return mode & 0o777 | 0o600 if mode & 0o777 else 0


Heads = tuple[Head, ...]
"""The heads of one path, ordered by dot; no member supersedes another."""

NOTHING: Final[Heads] = ()


def supersedes(newer: Head, older: Head) -> bool:
    """Whether the maker of `newer` had seen `older`."""
    return newer.vector.get(older.dot.replica, 0) >= older.dot.sequence


def is_same_version(one: Head, other: Head) -> bool:
    """Whether they tell the same of one change; one of them may have been restamped."""
    return one == msgspec.structs.replace(other, stamp_ns=one.stamp_ns)


def merged(one: Iterable[Head], other: Iterable[Head]) -> Heads:
    """The union of both sets without the superseded; of two stamps of one version the earlier."""
    union = {head.dot: head for head in sorted((*one, *other), key=_stamp_ns, reverse=True)}
    if len(union) == 1:
        return tuple(union.values())
    kept = (head for head in union.values() if not any(supersedes(newer, head) for newer in union.values()))
    return tuple(sorted(kept, key=lambda head: head.dot))


def winner(heads: Iterable[Head]) -> Head | None:
    """The version that the path shows: a directory, else the live file of the highest rank, else the newest tombstone.

    A directory comes first because other paths lie in it; the file that loses to it is kept as any loser is.
    """
    if isinstance(heads, tuple) and len(heads) == 1:
        only: Head = heads[0]
        return only
    return max(heads, key=lambda head: (head.is_live, head.kind is Kind.DIRECTORY, head.rank), default=None)


def losers(heads: Heads) -> Heads:
    """The live files whose content the path does not show, although nobody who saw them replaced them."""
    if len(heads) <= 1:
        return NOTHING
    shown = winner(heads)
    return tuple(head for head in heads if head.kind is Kind.FILE and shown and head.content_id != shown.content_id)


def joined(vectors: Iterable[Vector]) -> Vector:
    """The least vector that covers all of these."""
    whole: Vector = {}
    for vector in vectors:
        if not whole or whole == vector:
            whole = vector  # shared, for a vector is never changed: a replica holds one for each of many paths
        elif vector:
            whole = whole | {r: max(s, whole.get(r, 0)) for r, s in vector.items()}
    return whole


def seen_by(heads: Iterable[Head]) -> Vector:
    """What somebody has seen who has seen all of these heads."""
    return joined(head.seen for head in heads)


def unseen(heads: Heads, asked: Heads, content_id: str) -> Heads:
    """The files among `heads` whose content nobody knew who saw `asked`, and writes this content."""
    known = {content_id, *(head.content_id for head in asked)}
    return tuple(head for head in heads if head.kind is Kind.FILE and head.content_id not in known)


def replaceable(heads: Heads, asked: Heads, content_id: str) -> Vector:
    """What a file with this content may supersede: what its writer saw, `asked`, and of the rest what is not unseen."""
    spared = unseen(heads, asked, content_id)
    return sparing(seen_by((*asked, *(head for head in heads if head not in spared))), spared)


def sparing(saw: Vector, spared: Iterable[Head]) -> Vector:
    """As much of what somebody `saw` as supersedes none of these heads."""
    for head in spared:
        replica, sequence = head.dot.replica, head.dot.sequence
        saw = saw | {replica: min(saw.get(replica, 0), sequence - 1)}
    return {replica: sequence for replica, sequence in saw.items() if sequence}


def _stamp_ns(head: Head) -> int:
    return head.stamp_ns
