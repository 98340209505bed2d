"""What is somebody's work and what a flood, as a table and as a property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.replication_settings import DeleteBudget
from replicator.core.delete_budget import UNSPENT, allowance, is_flood, recent, spending

BUDGET = DeleteBudget(files=1000, share=0.25, at_least=20)


@pytest.mark.parametrize(("files", "allowed"), [(0, 20), (4, 20), (80, 20), (100, 25), (4000, 1000), (100_000, 1000)])
def test_how_many_may_go(files, allowed):
    assert allowance(BUDGET, files) == allowed


@pytest.mark.parametrize(
    ("spent", "asked", "files", "flood"),
    [
        ((), 20, 80, False),
        ((), 21, 80, True),
        (((1, 15),), 5, 60, False),  # the window began with 75
        (((1, 15),), 6, 60, True),
        (((1, 500), (2, 500)), 1, 100_000, True),
        ((), 0, 0, False),
    ],
)
def test_what_is_a_flood(spent, asked, files, flood):
    assert is_flood(BUDGET, spent, asked, files) is flood


def test_without_a_budget_nothing_is_a_flood():
    assert not is_flood(None, ((1, 10**6),), 10**6, 0)


def test_what_went_before_the_window_counts_no_more():
    spent = spending(spending(UNSPENT, 20, 100.5), 3, 160.0)
    assert recent(spent, 161.0, 600.0) == ((100, 20), (160, 3))
    assert recent(spent, 701.0, 600.0) == ((160, 3),)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 50)), max_size=60))
def test_however_deletions_come_no_more_than_the_allowance_goes_within_a_window(asks):
    spent, gone, files = UNSPENT, 0, 500
    for at_s, count in sorted(asks):
        spent = recent(spent, at_s, 1000.0)
        if not is_flood(BUDGET, spent, count, files - gone):
            spent, gone = spending(spent, count, at_s), gone + count
    assert gone <= allowance(BUDGET, files)
    assert len(spent) <= 101
