"""Decides everything about one path on one node: `step(place, clock, input) → (place, clock)`, `plan(place) → action`.

A place is what the node knows of the path (the heads), what it last put or found there on its disk (the row), and
which versions that row had seen. All places together with the clock are the state of a replica. The plan is computed
from what is true now, never remembered: when the row shows the winner, there is nothing to do.
"""

from collections.abc import Callable, Iterable
from typing import Final, assert_never

import msgspec

from replicator.core.head import (
    MAX_ACCOUNT,
    NOTHING,
    Dot,
    Head,
    Heads,
    Kind,
    Vector,
    joined,
    losers,
    merged,
    seen_by,
    sparing,
    winner,
)
from replicator.core.hybrid_clock import Clock, announced, corrected, drift_ns, heard, ticked

ANY_CTIME_NS: Final = -1
"""The ctime of a row while our own hand gives the file another name, which changes it: a look tells the new one."""

Merge = Callable[[Iterable[Head], Iterable[Head]], Heads]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on the disk under a path; inode, size and times tell whether it is still the very same.

    `mode` are its permissions where modes are kept, else 0.
    """

    kind: Kind
    content_id: str = ""
    size_bytes: int = 0
    mtime_ns: int = 0
    inode: int = 0
    ctime_ns: int = 0
    mode: int = 0

    def same_file(self, other: "Row | None") -> bool:
        """Whether nobody touched it since: same inode, size and times."""
        if other is None or self.kind is not other.kind:
            return False
        if self.kind is Kind.DIRECTORY:
            return True  # its times change with every entry
        mine = (self.inode, self.size_bytes, self.mtime_ns)
        ctimes = {self.ctime_ns, other.ctime_ns}
        return mine == (other.inode, other.size_bytes, other.mtime_ns) and len(ctimes - {ANY_CTIME_NS}) <= 1


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One path on one node.

    `seen` covers the versions that the row's makers had seen; peers hear of the heads under the sequence `announced`.
    `stray`: what stands there is nobody's version, for somebody put it onto the disk of a read-only member.
    """

    heads: Heads = NOTHING
    row: Row | None = None
    seen: Vector = {}
    announced: int = 0
    stray: bool = False


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """`account` changed the path through this node, and it is on the disk as `row` says (None: it is gone).

    It supersedes what the writer `saw`, or else every head that this node knows; but a directory supersedes no file,
    for nobody puts one over a file.
    """

    row: Row | None
    mode: int = 0
    now_ns: int
    saw: Vector | None = None
    account: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The disk was looked at: `row` is what is there. It supersedes only what this disk had shown.

    `deleted` says that a live event told of the removal; without it an absence is damage, to be healed. `imported`
    marks what a replica without memory finds: it loses against everything that is known. `strays`: this is a read-only
    member, where nothing that is found becomes a version, and every absence is damage.
    """

    row: Row | None
    mode: int = 0
    now_ns: int
    deleted: bool = False
    imported: bool = False
    strays: bool = False


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A peer announced heads of the path."""

    heads: Heads


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """A planned action was carried out: the row now shows the winner among the heads that `seen` covers."""

    row: Row | None
    seen: Vector


class Restamped(msgspec.Struct, frozen=True, kw_only=True):
    """This node's clock had run ahead and is right again: what has a stamp from the future gets one of now.

    Until then no peer would believe it. It stays the same version, whoever made it: a new one, made by somebody who had
    not heard what replaced the old one meanwhile, would stand beside that.
    """

    now_ns: int


class Rotten(msgspec.Struct, frozen=True, kw_only=True):
    """What stands there is the file that is known, untouched, but its content is not: the disk has damaged it.

    Nobody made a version of that, and its absence will be nobody's deletion.
    """


Input = Written | Found | Heard | Applied | Restamped | Rotten


class Install(msgspec.Struct, frozen=True):
    """Put the content of `head` under the path; `keep` says that what stands there lost a conflict."""

    head: Head
    keep: bool


class MakeFolder(msgspec.Struct, frozen=True):
    """Make the directory; `keep` says that a file stands there, which nobody has replaced: a directory never does."""

    head: Head
    keep: bool


class Touch(msgspec.Struct, frozen=True):
    """Only the time or the mode of the file differs."""

    head: Head


class Clear(msgspec.Struct, frozen=True):
    """Remove what stands there; a directory only if it is empty."""

    head: Head


class PutAway(msgspec.Struct, frozen=True):
    """Take a stray away, which stands where nothing should: a file into the conflict store; a directory if empty."""


class Rest(msgspec.Struct, frozen=True):
    """The disk shows the winner."""


Action = Install | MakeFolder | Touch | Clear | PutAway | Rest


def row_of(head: Head) -> Row:
    """What stands on the disk that shows this version; not which file it is."""
    return Row(kind=head.kind, content_id=head.content_id, size_bytes=head.size_bytes, mtime_ns=head.mtime_ns)


def step(place: Place, clock: Clock, event: Input, merge: Merge = merged) -> tuple[Place, Clock]:
    """The place and the clock after `event`; equal to the ones before when it changes nothing."""
    match event:
        case Written():
            if event.row is not None and event.row.kind is Kind.DIRECTORY:
                return _made_folder(place, clock, event, merge)
            after = ticked(clock, event.now_ns)
            saw = seen_by(place.heads) if event.saw is None else event.saw
            head = _head(after, saw, event.row, event.mode, event.account[:MAX_ACCOUNT])
            return _changed(merge(place.heads, (head,)), head, event.row, after)
        case Found():
            return (_strayed(place, event), clock) if event.strays else _found(place, clock, event, merge)
        case Heard():
            heads = merge(place.heads, event.heads)
            after = heard(clock, max((head.stamp_ns for head in event.heads), default=0))
            if heads == place.heads:
                return place, after
            after = announced(after)
            return _adopted(msgspec.structs.replace(place, heads=heads, announced=after.sequence)), after
        case Restamped():
            return _restamped(place, clock, event, merge)
        case Applied() | Rotten():
            return _on_disk(place, event), clock
        case _:
            assert_never(event)


def _on_disk(place: Place, event: Applied | Rotten) -> Place:
    if isinstance(event, Applied):
        seen = joined((place.seen, event.seen))
        return msgspec.structs.replace(place, row=event.row, seen=seen, stray=False)
    row = place.row and msgspec.structs.replace(place.row, content_id="")
    return msgspec.structs.replace(place, row=row)


def without_version(event: Input) -> Input:
    """The input as a read-only member takes it in: nothing that is found there is a version."""
    return msgspec.structs.replace(event, strays=True) if isinstance(event, Found) else event


def plan(place: Place) -> Action:
    """What must be done for the disk to show the winner."""
    shown, row = winner(place.heads), place.row
    if shown is None or (shown.kind is Kind.TOMBSTONE and place.stray):
        return PutAway() if place.stray else Rest()
    match shown.kind:
        case Kind.TOMBSTONE:
            return Clear(shown) if row else Rest()
        case Kind.DIRECTORY:
            return Rest() if row and row.kind is Kind.DIRECTORY else MakeFolder(shown, keep=row is not None)
        case Kind.FILE:
            if row is None or row.content_id != shown.content_id:
                lost = row is not None and any(head.content_id == row.content_id for head in losers(place.heads))
                return Install(shown, keep=lost or (place.stray and row is not None and row.kind is Kind.FILE))
            is_shown = row.mtime_ns == shown.mtime_ns and _agree(row.mode, shown.permissions)
            return Rest() if is_shown else Touch(shown)
        case _:
            assert_never(shown.kind)


def _found(place: Place, clock: Clock, event: Found, merge: Merge) -> tuple[Place, Clock]:
    row, known, shown = event.row, place.row, winner(place.heads)
    rotten = known is not None and known.kind is Kind.FILE and not known.content_id
    if row is None and (known is None or not event.deleted or rotten):
        return msgspec.structs.replace(place, row=None), clock
    if row is not None and known is not None and _same_version(row, known):
        return msgspec.structs.replace(place, row=row), clock
    adopts = known is None or event.imported or row is None or row.content_id != known.content_id
    if (
        row is not None
        and shown is not None
        and adopts
        and (row.kind, row.content_id) == (shown.kind, shown.content_id)
    ):
        seen = joined((place.seen, seen_by(place.heads)))
        return msgspec.structs.replace(place, row=row, seen=seen), clock
    after = ticked(clock, event.now_ns)
    head = _head(after, place.seen, row, event.mode)
    touched = row is not None and known is not None and row.content_id == known.content_id
    if touched and not event.imported:  # another time on the same content must not outrank other content
        head = msgspec.structs.replace(head, stamp_ns=_stamp_beside(place.heads, head))
    if event.imported:
        head = msgspec.structs.replace(head, stamp_ns=0)
    return _changed(merge(place.heads, (head,)), head, row, after)


def _stamp_beside(heads: Heads, touched: Head) -> int:
    """Just above what it touches; where that was replaced meanwhile, unseen, just below all that is known."""
    same = [old.stamp_ns + 1 for old in heads if old.content_id == touched.content_id]
    below = max(0, min((old.stamp_ns for old in heads), default=touched.stamp_ns + 1) - 1)
    return max(same, default=below)


def _strayed(place: Place, event: Found) -> Place:
    """What stands on a read-only member's disk is either the winner, or nobody's version; heads stay as they are."""
    row, known = event.row, place.row
    if row is None:
        return msgspec.structs.replace(place, row=None, stray=False)
    same = known is not None and (row.kind, row.content_id) == (known.kind, known.content_id)
    return _adopted(msgspec.structs.replace(place, row=row, stray=place.stray if same else True))


def _adopted(place: Place) -> Place:
    """A stray that is what the winner is, is no stray."""
    shown, row = winner(place.heads), place.row
    if not place.stray or row is None or shown is None or (row.kind, row.content_id) != (shown.kind, shown.content_id):
        return place
    return msgspec.structs.replace(place, seen=joined((place.seen, seen_by(place.heads))), stray=False)


def _made_folder(place: Place, clock: Clock, event: Written, merge: Merge) -> tuple[Place, Clock]:
    """A directory supersedes the directories and tombstones that were there, as far as its vector can spare the files.

    Where one is shown already there is nothing new: another one would not spare the files of its own node.
    """
    shown = winner(place.heads)
    if shown is not None and shown.kind is Kind.DIRECTORY:
        seen = joined((place.seen, shown.seen))
        return msgspec.structs.replace(place, row=event.row, seen=seen), clock
    after = ticked(clock, event.now_ns)
    saw = seen_by(head for head in place.heads if head.kind is not Kind.FILE) if event.saw is None else event.saw
    saw = sparing(saw, (head for head in place.heads if head.kind is Kind.FILE))
    head = _head(after, saw, event.row, event.mode, event.account[:MAX_ACCOUNT])
    return _changed(merge(place.heads, (head,)), head, event.row, after)


def _restamped(place: Place, clock: Clock, event: Restamped, merge: Merge) -> tuple[Place, Clock]:
    """Those from the future keep their order among themselves, so that the same one wins."""
    for head in sorted(place.heads, key=lambda head: head.rank):
        if drift_ns(head.stamp_ns, event.now_ns):
            clock = ticked(corrected(clock, event.now_ns), event.now_ns)
            again = msgspec.structs.replace(head, stamp_ns=clock.stamp_ns)
            heads = merge(place.heads, (again,))
            place = msgspec.structs.replace(place, heads=heads, announced=clock.sequence)
    return place, clock


def _same_version(row: Row, known: Row) -> bool:
    same_content = (row.kind, row.content_id) == (known.kind, known.content_id)
    same_facts = row.mtime_ns == known.mtime_ns and _agree(row.mode, known.mode)
    return same_content and (row.kind is Kind.DIRECTORY or same_facts)


def _agree(mode: int, other: int) -> bool:
    """Whether two modes are the same, or one of them does not matter."""
    return mode == other or not mode or not other


def _head(clock: Clock, seen: Vector, row: Row | None, mode: int, account: str = "") -> Head:
    dot = Dot(clock.replica, clock.sequence)
    if row is None:
        return Head(dot=dot, vector=seen, stamp_ns=clock.stamp_ns, kind=Kind.TOMBSTONE, account=account)
    is_file = row.kind is Kind.FILE
    return Head(
        dot=dot,
        vector=seen,
        stamp_ns=clock.stamp_ns,
        kind=row.kind,
        content_id=row.content_id,
        size_bytes=row.size_bytes if is_file else 0,
        mtime_ns=row.mtime_ns if is_file else 0,
        mode=mode,
        account=account,
    )


def _changed(heads: Heads, head: Head, row: Row | None, clock: Clock) -> tuple[Place, Clock]:
    return Place(heads=heads, row=row, seen=head.seen, announced=clock.sequence), clock
