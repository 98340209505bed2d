"""Each run of a replica leaps: what lies in a leap was never given, so a forgotten run is always found out."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from replicator.core.belief import remembers_more
from replicator.core.head import NOTHING, Dot, Head, Kind
from replicator.core.hybrid_clock import Clock, announced
from replicator.core.runs import LEAP_BITS, Leap, begun, was_given

BORN = Clock("here:1")
_LEAPS = st.integers(0, (1 << LEAP_BITS) - 1)
_CHANGES = st.integers(0, 30)


def lived(clock, leaps, length, changes):
    clock, leaps = begun(clock, leaps, length)
    given_now = [clock.sequence]
    for _ in range(changes):
        clock = announced(clock)
        given_now.append(clock.sequence)
    return clock, leaps, given_now


def test_a_leap_is_remembered_and_nothing_in_it_was_given():
    clock, leaps = begun(Clock("here:1", sequence=7), (), 10)
    assert (clock.sequence, leaps) == (18, (Leap(7, 18),))
    assert [sequence for sequence in range(22) if was_given(sequence, clock, leaps)] == [*range(8), 18]


@given(st.lists(st.tuples(_LEAPS, _CHANGES), min_size=1, max_size=6))
def test_whatever_was_given_is_remembered_over_any_number_of_runs(runs):
    clock, leaps, given = BORN, (), []
    for length, changes in runs:
        clock, leaps, given_now = lived(clock, leaps, length, changes)
        given += given_now
    assert all(was_given(sequence, clock, leaps) for sequence in given)


@given(_CHANGES, _LEAPS, _CHANGES, _LEAPS, _CHANGES)
def test_a_run_that_was_forgotten_is_found_out_whatever_happened_since(before, lost, lost_changes, again, changes):
    clock, leaps, _ = lived(BORN, (), 0, before)
    _, _, forgotten = lived(clock, leaps, lost, lost_changes)
    clock, leaps, known = lived(clock, leaps, again, changes)
    for sequence in set(forgotten) - set(known):
        assert not was_given(sequence, clock, leaps)


def test_a_forgotten_change_is_found_out_in_what_others_made_of_it():
    snapshot, leaps = begun(BORN, (), 100)
    forgotten, _ = begun(snapshot, leaps, 50)
    now, leaps = begun(snapshot, leaps, 70)
    dot = Dot("there:1", 1)
    vector = {"here:1": forgotten.sequence}
    theirs = Head(dot=dot, vector=vector, stamp_ns=1, kind=Kind.TOMBSTONE)
    assert forgotten.sequence < now.sequence
    assert remembers_more(now, leaps, NOTHING, (theirs,))
    assert not remembers_more(now, leaps, NOTHING, (msgspec.structs.replace(theirs, vector={}),))
    mine = msgspec.structs.replace(theirs, dot=Dot("here:1", forgotten.sequence), vector={})
    assert remembers_more(now, leaps, NOTHING, (mine,))


def test_another_change_under_our_name_is_found_out_and_another_stamp_of_ours_is_none():
    clock, leaps = begun(BORN, (), 10)
    ours = Head(dot=Dot(clock.replica, clock.sequence), vector={}, stamp_ns=9, kind=Kind.TOMBSTONE)
    restamped = msgspec.structs.replace(ours, stamp_ns=5)
    assert not remembers_more(clock, leaps, (ours,), (ours,))
    assert not remembers_more(clock, leaps, (ours,), (restamped,))
    assert remembers_more(clock, leaps, (ours,), (msgspec.structs.replace(restamped, kind=Kind.DIRECTORY),))
