"""The table of plans in the documentation is what `plan` decides."""

from pathlib import Path

import pytest

from replicator.core.head import Dot, Head, Kind
from replicator.core.place import Clear, Install, MakeFolder, Place, PutAway, Rest, Row, Touch, plan

DOCUMENT = Path(__file__).parents[3] / "docs/replication.md"
NAMES = {
    Rest: "rest",
    Install: "install",
    Touch: "touch",
    MakeFolder: "make the folder",
    Clear: "clear",
    PutAway: "put away",
}


def head(kind, content_id="", stamp_ns=5, node="n"):
    dot = Dot(f"{node}:1", 1)
    return Head(dot=dot, vector={}, stamp_ns=stamp_ns, kind=kind, content_id=content_id, mtime_ns=7, mode=0o4644)


def file(content_id, mtime_ns=7, mode=0o644):
    return Row(kind=Kind.FILE, content_id=content_id, mtime_ns=mtime_ns, mode=mode)


WINNERS = {
    "none": (),
    "a file": (head(Kind.FILE, "new"),),
    "a directory": (head(Kind.DIRECTORY),),
    "a tombstone": (head(Kind.TOMBSTONE),),
}
LOSER = head(Kind.FILE, "lost", stamp_ns=1, node="m")
STANDING = {
    "nothing": None,
    "a file": file("other"),
    "the same file": file("new"),
    "the same content with another time": file("new", mtime_ns=8),
    "the same content with another mode (where modes are kept)": file("new", mode=0o600),
    "another file": file("other"),
    "another file, which lost a conflict": file("lost"),
    "a directory": Row(kind=Kind.DIRECTORY),
    "a stray file": file("strange"),
    "a stray directory": Row(kind=Kind.DIRECTORY),
}


def table():
    lines = DOCUMENT.read_text().splitlines()
    start = lines.index("| the winner | what stands on the disk | the plan |") + 2
    for line in lines[start:]:
        if not line.startswith("|"):
            return
        yield tuple(cell.strip() for cell in line.strip("|").split("|"))


@pytest.mark.parametrize(("shown", "standing", "planned"), list(table()))
def test_the_plan_is_what_the_document_says(shown, standing, planned):
    heads = WINNERS[shown] + ((LOSER,) if "lost" in standing else ())
    action = plan(
        Place(heads=tuple(sorted(heads, key=lambda one: one.dot)), row=STANDING[standing], stray="stray" in standing)
    )
    keeps = ", and keep what stands there" if getattr(action, "keep", False) else ""
    assert NAMES[type(action)] + keeps == planned
