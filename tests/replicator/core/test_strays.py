"""What a read-only member finds: no version comes of it, and what is nobody's version is a stray until it is gone."""

import pytest

from replicator.core.head import Dot, Head, Kind
from replicator.core.hybrid_clock import Clock
from replicator.core.place import Applied, Found, Heard, Install, Place, PutAway, Rest, Row, Touch, plan, step

CLOCK = Clock("here:1", sequence=7, stamp_ns=100)
SHOWN = Head(dot=Dot("there:1", 1), vector={}, stamp_ns=50, kind=Kind.FILE, content_id="shown", mtime_ns=7)
NEXT = Head(dot=Dot("there:1", 2), vector={"there:1": 1}, stamp_ns=60, kind=Kind.FILE, content_id="next", mtime_ns=7)
GONE = Head(dot=Dot("there:1", 2), vector={"there:1": 1}, stamp_ns=60, kind=Kind.TOMBSTONE)


def file(content_id, mtime_ns=7):
    return Row(kind=Kind.FILE, content_id=content_id, mtime_ns=mtime_ns)


HELD = Place(heads=(SHOWN,), row=file("shown"), seen=SHOWN.seen, announced=3)


def found(place, row, **more):
    after, clock = step(place, CLOCK, Found(row=row, now_ns=10**18, strays=True, **more))
    assert (clock, after.heads, after.announced) == (CLOCK, place.heads, place.announced)
    return after


@pytest.mark.parametrize(
    ("place", "row", "planned"),
    [
        (HELD, file("shown"), Rest()),
        (HELD, file("strange"), Install(SHOWN, keep=True)),
        (HELD, file("shown", mtime_ns=8), Touch(SHOWN)),
        (HELD, Row(kind=Kind.DIRECTORY), Install(SHOWN, keep=False)),
        (HELD, None, Install(SHOWN, keep=False)),
        (Place(), file("strange"), PutAway()),
        (Place(), Row(kind=Kind.DIRECTORY), PutAway()),
        (Place(heads=(GONE,)), file("strange"), PutAway()),
        (Place(heads=(SHOWN,)), file("shown"), Rest()),
    ],
)
def test_what_is_found_is_put_right_whether_an_event_told_of_a_removal_or_not(place, row, planned):
    assert plan(found(place, row)) == planned
    assert plan(found(place, row, deleted=True, imported=True)) == planned


def test_a_version_that_others_have_replaced_is_no_stray_whatever_its_time():
    behind = step(HELD, CLOCK, Heard(heads=(NEXT,)))[0]
    assert plan(found(behind, file("shown", mtime_ns=8))) == Install(NEXT, keep=False)


def test_a_stray_that_a_peer_tells_of_is_none_any_more():
    stray = found(Place(), file("shown"))
    assert stray.stray
    told, _ = step(stray, CLOCK, Heard(heads=(SHOWN,)))
    assert (told.stray, told.seen, plan(told)) == (False, SHOWN.seen, Rest())


def test_a_stray_that_changes_again_is_one_still_and_none_when_it_is_gone():
    stray = found(HELD, file("strange"))
    assert found(stray, file("stranger")).stray
    assert found(stray, file("strange", mtime_ns=9)).stray
    assert not found(stray, None).stray
    assert not step(stray, CLOCK, Applied(row=file("shown"), seen=SHOWN.seen))[0].stray
