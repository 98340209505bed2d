"""The table of inputs in the documentation is what `step` does: which input makes a version, and what it supersedes."""

from pathlib import Path

import msgspec
import pytest

from replicator.core.head import Dot, Head, Kind, seen_by, supersedes, winner
from replicator.core.hybrid_clock import MAX_DRIFT_NS, Clock
from replicator.core.place import Applied, Found, Heard, Place, Restamped, Rotten, Row, Written, step

DOCUMENT = Path(__file__).parents[3] / "docs/replication.md"
NOW_NS = 10**18
HERE = Clock("here:1", sequence=7, stamp_ns=100)


def head(node, content, stamp_ns=50, sequence=1, kind=Kind.FILE):
    return Head(dot=Dot(f"{node}:1", sequence), vector={}, stamp_ns=stamp_ns, kind=kind, content_id=content)


def file(content, mtime_ns=0, inode=1, mode=0o644):
    return Row(kind=Kind.FILE, content_id=content, mtime_ns=mtime_ns, inode=inode, mode=mode)


OURS = head("here", "ours", sequence=3)
THEIRS = head("there", "theirs", stamp_ns=60)
BOTH = Place(heads=(OURS, THEIRS), row=file("ours"), seen=OURS.seen)
"""This disk shows our version; a peer's, which wins, has not arrived yet."""
REMOVED = head("there", "", kind=Kind.TOMBSTONE)
OURS_AND_REMOVED = Place(heads=(OURS, REMOVED), row=file("ours"), seen=OURS.seen)
FOLDER = Row(kind=Kind.DIRECTORY)
MADE = Place(heads=(head("here", "", kind=Kind.DIRECTORY),), row=FOLDER, seen={"here:1": 1})
REPLACED = Place(heads=(THEIRS,), row=file("ours"), seen=OURS.seen)
"""What this disk shows a peer had seen, and has replaced; that has not arrived yet."""
AHEAD = msgspec.structs.replace(OURS, stamp_ns=NOW_NS + 2 * MAX_DRIFT_NS)
THEIRS_AHEAD = msgspec.structs.replace(THEIRS, stamp_ns=NOW_NS + 3 * MAX_DRIFT_NS)
FROM_THE_FUTURE = Place(heads=(AHEAD, THEIRS_AHEAD), row=file("ours"), seen=AHEAD.seen)

BEGINS = {
    "Written, a file (a client's upload)": (BOTH, Written(row=file("new"), now_ns=NOW_NS)),
    "Written, a file, and the client saw less": (BOTH, Written(row=file("new"), now_ns=NOW_NS, saw=THEIRS.seen)),
    "Written, nothing (a client's removal)": (BOTH, Written(row=None, now_ns=NOW_NS)),
    "Written, a directory": (OURS_AND_REMOVED, Written(row=FOLDER, now_ns=NOW_NS)),
    "Written, a directory, where one is shown": (MADE, Written(row=FOLDER, now_ns=NOW_NS)),
    "Found, as the row says": (BOTH, Found(row=file("ours", inode=2), now_ns=NOW_NS)),
    "Found, as the winner is": (BOTH, Found(row=file("theirs"), now_ns=NOW_NS)),
    "Found, something else": (BOTH, Found(row=file("new"), now_ns=NOW_NS)),
    "Found, another time on known content": (BOTH, Found(row=file("ours", mtime_ns=9), now_ns=NOW_NS)),
    "Found, another time on content that a peer has replaced": (
        REPLACED,
        Found(row=file("ours", mtime_ns=9), now_ns=NOW_NS),
    ),
    "Found, another mode on known content (where modes are kept)": (
        BOTH,
        Found(row=file("ours", mode=0o600), now_ns=NOW_NS),
    ),
    "Found nothing, and an event told of a removal": (BOTH, Found(row=None, now_ns=NOW_NS, deleted=True)),
    "Found nothing, and no event told (it is damage, and is fetched again)": (BOTH, Found(row=None, now_ns=NOW_NS)),
    "Found by a replica without memory": (
        Place(heads=(THEIRS,)),
        Found(row=file("new"), now_ns=NOW_NS, imported=True),
    ),
    "Found by a read-only member, something else or nothing": (
        BOTH,
        Found(row=file("new"), now_ns=NOW_NS, deleted=True, strays=True),
    ),
    "Rotten (what stands there is untouched, but its content is not what it was)": (BOTH, Rotten()),
    "Found nothing where something rotten stood, even if an event told of a removal": (
        msgspec.structs.replace(BOTH, row=file("")),
        Found(row=None, now_ns=NOW_NS, deleted=True),
    ),
    "Heard (from a peer)": (Place(heads=(OURS,), row=file("ours"), seen=OURS.seen), Heard(heads=(THEIRS,))),
    "Applied (the plan was carried out)": (BOTH, Applied(row=file("theirs"), seen=seen_by(BOTH.heads))),
    "Restamped (our clock had run ahead, and a peer agrees that it is right again)": (
        FROM_THE_FUTURE,
        Restamped(now_ns=NOW_NS),
    ),
}
SUPERSEDED = {
    "": set(),
    "nothing": set(),
    "all that was known": {OURS.dot, THEIRS.dot},
    "what it saw": {THEIRS.dot},
    "what this disk had shown": {OURS.dot},
    "tombstones, but no file, not even one of this node": {REMOVED.dot},
}
KINDS = {"a file": Kind.FILE, "a directory": Kind.DIRECTORY, "a tombstone": Kind.TOMBSTONE}


def table():
    lines = DOCUMENT.read_text().splitlines()
    start = lines.index("| input | new version | supersedes |") + 2
    for line in lines[start:]:
        if not line.startswith("|"):
            return
        yield tuple(cell.strip() for cell in line.strip("|").split("|"))


@pytest.mark.parametrize(("what", "version", "superseded"), list(table()))
def test_an_input_does_what_the_document_says(what, version, superseded):
    before, event = BEGINS[what]
    after, clock = step(before, HERE, event)
    known = {old.dot for old in before.heads} | ({THEIRS.dot} if isinstance(event, Heard) else set())
    made = [new for new in after.heads if new.dot not in known]
    assert known - {left.dot for left in after.heads} == SUPERSEDED[superseded]
    if version.startswith("none"):
        assert not made
        news = {Heard: 1, Restamped: 2}.get(type(event), 0)  # what it heard of is told on, and so is each new stamp
        assert clock.sequence == HERE.sequence + news
        assert after.announced == (clock.sequence if news else 0)
        if "a stamp of now" in version:
            assert [left.stamp_ns - NOW_NS for left in sorted(after.heads, key=lambda left: left.rank)] == [0, 1]
            assert winner(after.heads).dot == winner(before.heads).dot
        return
    (new,) = made
    assert new.kind is KINDS[version.partition(",")[0]]
    assert new.dot == Dot(HERE.replica, clock.sequence)
    assert after.announced == clock.sequence
    assert {old.dot for old in before.heads if supersedes(new, old)} == SUPERSEDED[superseded]
    if "stamp just above" in version:
        assert new.stamp_ns == OURS.stamp_ns + 1
    elif "stamp just below" in version:
        assert (new.stamp_ns, winner(after.heads)) == (THEIRS.stamp_ns - 1, THEIRS)
    elif "stamp 0" in version:
        assert (new.stamp_ns, winner(after.heads)) == (0, THEIRS)
    else:
        assert new.stamp_ns == NOW_NS


def test_every_kind_of_input_stands_in_the_table():
    assert {what for what, *_ in table()} == set(BEGINS)
