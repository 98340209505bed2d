"""What a look at the disk means: known, adopted, changed, damaged or deleted."""

import msgspec
import pytest

from replicator.core.belief import disbelief
from replicator.core.head import Dot, Head, Kind, losers, winner
from replicator.core.hybrid_clock import Clock
from replicator.core.place import Clear, Found, Heard, Install, MakeFolder, Place, Rest, Row, Written, plan, step

HERE = Clock("here:1", sequence=7, stamp_ns=100)


def file(content, mtime_ns=0, inode=1):
    return Row(kind=Kind.FILE, content_id=content, size_bytes=len(content), mtime_ns=mtime_ns, inode=inode)


def theirs(content, stamp_ns=50, sequence=1, **more):
    dot = Dot("there:1", sequence)
    fields = {"kind": Kind.FILE, "content_id": content, "size_bytes": len(content)} | more
    return Head(dot=dot, vector={}, stamp_ns=stamp_ns, **fields)


def published(content):
    return step(Place(), HERE, Written(row=file(content), now_ns=1))


def test_a_change_through_this_node_ranks_above_all_it_knew_even_with_a_slow_clock():
    place, clock = step(Place(heads=(theirs("x", stamp_ns=100),)), HERE, Written(row=file("y"), now_ns=1))
    (head,) = place.heads
    assert head.content_id == "y"
    assert head.stamp_ns == 101
    assert place.announced == clock.sequence == 8


def test_the_same_file_seen_again_changes_nothing():
    place, clock = published("x")
    assert step(place, clock, Found(row=file("x"), now_ns=9)) == (place, clock)


def test_content_that_the_index_expects_is_adopted_without_a_new_version():
    known = Place(heads=(theirs("x"),))
    place, clock = step(known, HERE, Found(row=file("x"), now_ns=9))
    assert (place.heads, clock) == (known.heads, HERE)
    assert plan(place) == Rest()


def test_a_change_on_disk_does_not_supersede_what_the_disk_never_showed():
    place, clock = published("x")
    place, clock = step(place, clock, Heard(heads=(theirs("z", stamp_ns=10**6),)))
    place, clock = step(place, clock, Found(row=file("y"), now_ns=9))
    assert {head.content_id for head in place.heads} == {"y", "z"}
    assert plan(place) == Install(winner(place.heads), keep=False) or losers(place.heads)


def test_what_a_replica_without_memory_finds_loses_against_what_is_known():
    known = Place(heads=(theirs("x", stamp_ns=1),))
    place, _ = step(known, HERE, Found(row=file("mine"), now_ns=10**9, imported=True))
    assert winner(place.heads).content_id == "x"
    assert [head.content_id for head in losers(place.heads)] == ["mine"]
    assert plan(place) == Install(winner(place.heads), keep=True)


@pytest.mark.parametrize(("deleted", "kind", "action"), [(True, Kind.TOMBSTONE, Rest), (False, Kind.FILE, Install)])
def test_absence_is_a_deletion_only_when_an_event_told_of_it(deleted, kind, action):
    place, clock = published("x")
    place, _ = step(place, clock, Found(row=None, now_ns=9, deleted=deleted))
    assert winner(place.heads).kind is kind
    assert isinstance(plan(place), action)


def test_an_edit_beats_a_delete_that_had_not_seen_it():
    place, clock = published("x")
    tombstone = theirs("", stamp_ns=10**6, kind=Kind.TOMBSTONE, content_id="", size_bytes=0)
    place, _ = step(place, clock, Heard(heads=(tombstone,)))
    assert winner(place.heads).content_id == "x"
    assert plan(place) == Rest()


@pytest.mark.parametrize(
    ("shown", "row", "action"),
    [
        (Kind.TOMBSTONE, file("x"), Clear),
        (Kind.TOMBSTONE, None, Rest),
        (Kind.DIRECTORY, None, MakeFolder),
        (Kind.DIRECTORY, Row(kind=Kind.DIRECTORY), Rest),
        (Kind.DIRECTORY, file("x"), MakeFolder),
        (Kind.FILE, Row(kind=Kind.DIRECTORY), Install),
    ],
)
def test_the_plan_turns_what_stands_there_into_the_winner(shown, row, action):
    content = "new" if shown is Kind.FILE else ""
    head = theirs(content, kind=shown)
    assert isinstance(plan(Place(heads=(head,), row=row)), action)


def test_a_version_says_which_account_made_it_and_no_longer_name_than_peers_believe():
    place, _ = step(Place(), HERE, Written(row=file("x"), now_ns=1, account="station"))
    assert place.heads[0].account == "station"
    place, _ = step(Place(), HERE, Written(row=None, now_ns=1, account="s" * 100))
    assert disbelief("x", place.heads, 1) is None
    (head,) = place.heads
    assert "account" in (disbelief("x", (msgspec.structs.replace(head, account="s" * 65),), 1) or "")
    assert "account" in (disbelief("x", (msgspec.structs.replace(head, account="s\x1b[2J"),), 1) or "")
