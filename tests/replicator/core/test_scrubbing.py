"""The pace of scrubbing, the order of its walk, and what is rotten in the model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.core.head import Dot, Head, Kind, winner
from replicator.core.hybrid_clock import Clock
from replicator.core.place import Found, Install, Place, Rest, Rotten, Row, Written, plan, step
from replicator.core.scrubbing import DAY_S, bytes_per_s, comes_after, is_overdue, rest_s

HERE = Clock("here:1", sequence=7, stamp_ns=100)
GB = 10**9


@pytest.mark.parametrize(
    ("total_bytes", "files", "days", "most", "pace"),
    [
        (0, 0, 30, 20e6, 8192),
        (10**6, 200_000, 30, 20e6, 8192),
        (1000 * GB, 0, 30, 20e6, 1.25 * 1000 * GB / (30 * 86400)),
        (0, 10**8, 30, 20e6, 1.25 * 8192 * 10**8 / (30 * 86400)),
        (100_000 * GB, 0, 30, 20e6, 20e6),
        (GB, 1, 30, float("inf"), 8192),
    ],
)
def test_the_pace_is_enough_for_the_days_and_never_above_the_bound(total_bytes, files, days, most, pace):
    assert bytes_per_s(total_bytes, files, days, most) == pytest.approx(pace)


@pytest.mark.parametrize(
    ("began_s", "now_s", "days", "overdue"),
    [
        (5, 5 + 30 * DAY_S, 30, False),
        (5, 6 + 30 * DAY_S, 30, True),
        (0, 6 + 30 * DAY_S, 30, False),  # none is under way
        (5, 6 + 30 * DAY_S, 0, False),  # none will be
        (5, 0, 30, False),  # the clock was put back
    ],
)
def test_a_round_is_overdue_when_it_lasts_longer_than_its_days(began_s, now_s, days, overdue):
    assert is_overdue(int(began_s * 1e9), int(now_s * 1e9), days) is overdue


def test_the_rest_makes_up_for_what_was_too_quick():
    assert rest_s(1000, 0.5, 1000.0) == 0.5
    assert rest_s(1000, 5.0, 1000.0) == 0.0
    assert rest_s(1000, 0.0, float("inf")) == 0.0


@given(st.lists(st.lists(st.sampled_from("ab-/"), min_size=1, max_size=4).map("".join), min_size=2, max_size=2))
def test_of_two_paths_one_comes_after_the_other(paths):
    one, other = paths
    assert comes_after(one, other) is not comes_after(other, one) or one == other


def test_a_folder_comes_before_what_is_in_it_and_that_before_its_later_neighbours():
    walked = ["a", "a/b", "a/b/c", "a/c", "a-b"]
    assert sorted(walked, key=lambda path: path.split("/")) == walked
    assert comes_after("a/b", "a")
    assert comes_after("a-b", "a/c")


def known_file():
    head = Head(dot=Dot("there:1", 1), vector={"there:1": 1}, stamp_ns=5, kind=Kind.FILE, content_id="good")
    return Place(heads=(head,), row=Row(kind=Kind.FILE, content_id="good", inode=3), seen={"there:1": 1})


def test_what_is_rotten_is_no_version_and_is_to_be_installed_anew():
    before = known_file()
    after, clock = step(before, HERE, Rotten())
    assert (after.heads, clock) == (before.heads, HERE)
    assert plan(after) == Install(before.heads[0], keep=False)
    assert step(Place(), HERE, Rotten()) == (Place(), HERE)


@pytest.mark.parametrize("deleted", [False, True])
def test_the_absence_of_what_was_rotten_is_nobodys_deletion(deleted):
    rotten, _ = step(known_file(), HERE, Rotten())
    gone, clock = step(rotten, HERE, Found(row=None, now_ns=9, deleted=deleted))
    assert gone.row is None
    assert clock == HERE
    assert isinstance(plan(gone), Install)


def test_a_client_may_delete_or_replace_what_is_rotten():
    rotten, _ = step(known_file(), HERE, Rotten())
    deleted, _ = step(rotten, HERE, Written(row=None, now_ns=9))
    assert winner(deleted.heads).kind is Kind.TOMBSTONE
    replaced, _ = step(rotten, HERE, Written(row=Row(kind=Kind.FILE, content_id="new"), now_ns=9))
    assert isinstance(plan(replaced), Rest)
    assert winner(replaced.heads).content_id == "new"
