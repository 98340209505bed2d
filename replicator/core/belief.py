"""Decides whether what a peer announces may be believed: names, sizes, shapes, and clocks."""

from collections.abc import Iterable
from typing import Final

from cluster.content_id import is_content_id
from cluster.tree_path import complaint
from replicator.core.head import MAX_ACCOUNT, Head, Heads, Kind, is_same_version
from replicator.core.hybrid_clock import Clock, drift_ns
from replicator.core.runs import Leaps, was_given

_MAX_HEADS: Final = 64
_MAX_REPLICAS: Final = 256
_MAX_SEQUENCE: Final = 1 << 62
_MAX_BYTES: Final = 1 << 50
MAX_MTIME_NS: Final = 1 << 62


def disbelief(path: str, heads: Iterable[Head], now_ns: int) -> str | None:
    """Why an announced entry is refused, in a line, or None when it may be merged."""
    wrong = complaint(path)
    if wrong:
        return f"a path it must not name: {wrong}"
    count = 0
    for head in heads:
        count += 1
        wrong = _wrong_head(head, now_ns)
        if wrong:
            return wrong
    return None if 0 < count <= _MAX_HEADS else f"{count} heads for one path"


def remembers_more(clock: Clock, leaps: Leaps, known: Heads, announced: Heads) -> bool:
    """Whether these heads show that we once made a change that we no longer know of: our index was rolled back.

    What such an index makes would be taken for having seen that change, and would replace it unseen.
    """
    mine_seen = [head.vector.get(clock.replica, 0) for head in announced]
    mine_seen += [head.dot.sequence for head in announced if head.dot.replica == clock.replica]
    if any(sequence and not was_given(sequence, clock, leaps) for sequence in mine_seen):
        return True
    mine = {head.dot: head for head in known if head.dot.replica == clock.replica}
    return any(head.dot in mine and not is_same_version(mine[head.dot], head) for head in announced)


def _wrong_head(head: Head, now_ns: int) -> str | None:
    numbers = (head.dot.sequence, *head.vector.values())
    if not all(0 < number < _MAX_SEQUENCE for number in numbers) or len(head.vector) > _MAX_REPLICAS:
        return "a version vector that cannot be"
    if head.vector.get(head.dot.replica, 0) >= head.dot.sequence:
        return "a version that had seen itself"
    if (head.kind is Kind.FILE) != is_content_id(head.content_id) or not 0 <= head.size_bytes < _MAX_BYTES:
        return "a file without a content id, or a size that cannot be"
    if abs(head.mtime_ns) >= MAX_MTIME_NS:
        return "a time that cannot be"
    if len(head.account) > MAX_ACCOUNT or not head.account.isprintable():
        return "an account that cannot be"
    ahead_ns = drift_ns(head.stamp_ns, now_ns)
    if ahead_ns or head.stamp_ns < 0:
        return (
            f"a stamp from the future ({ahead_ns / 1e9:.0f} s beyond the allowed drift): check the clocks of the nodes"
        )
    return None
