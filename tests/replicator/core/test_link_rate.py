"""How fast a link may be used: by the day and hour in UTC, and evenly."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.replication_settings import DAYS, Hours, Link
from replicator.core.link_rate import BURST_S, link_of, rate_at, taken

OFFICE = Hours(begin="08:00", end="18:00", bytes_per_s=1_000, days=("mon", "tue", "wed", "thu", "fri"))
NIGHT = Hours(begin="22:00", end="06:30", bytes_per_s=None, days=("fri",))
CLOSED = Hours(begin="00:00", end="24:00", bytes_per_s=0, days=("sun",))
LINK = Link(source="a", target="b", bytes_per_s=5_000, schedule=(OFFICE, NIGHT, CLOSED))


def at(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()


@pytest.mark.parametrize(
    ("moment", "rate"),
    [
        ("2026-11-25 07:59:59", 5_000),  # a Wednesday
        ("2026-11-25 08:00:00", 1_000),
        ("2026-11-25 17:59:59", 1_000),
        ("2026-11-25 18:00:00", 5_000),
        ("2026-11-27 21:59:59", 5_000),  # a Friday
        ("2026-11-27 22:00:00", None),
        ("2026-11-28 06:29:59", None),  # the night goes on into Saturday
        ("2026-11-28 06:30:00", 5_000),
        ("2026-11-28 22:00:00", 5_000),
        ("2026-11-29 00:00:00", 0),
        ("2026-11-29 23:59:59", 0),
        ("2026-11-30 00:00:00", 5_000),
    ],
)
def test_the_hours_of_the_week_decide(moment, rate):
    assert rate_at(LINK, at(moment)) == rate


def test_the_first_hours_count_and_without_a_link_there_is_no_limit():
    both = Link(source="a", target="b", schedule=(CLOSED, Hours(begin="00:00", end="24:00", bytes_per_s=7)))
    assert rate_at(both, at("2026-11-29 12:00")) == 0
    assert rate_at(both, at("2026-11-30 12:00")) == 7
    assert rate_at(None, 0) is None
    assert link_of((LINK,), "a", "b") is LINK
    assert link_of((LINK,), "b", "a") is None


@given(now_s=st.integers(min_value=0, max_value=2**33))
def test_the_days_are_those_of_the_calendar(now_s):
    day = DAYS[datetime.datetime.fromtimestamp(now_s, datetime.UTC).weekday()]
    link = Link(
        source="a", target="b", bytes_per_s=1, schedule=(Hours(begin="00:00", end="24:00", bytes_per_s=2, days=(day,)),)
    )
    assert rate_at(link, now_s) == 2


@given(
    sizes=st.lists(st.tuples(st.integers(1, 100_000), st.floats(0, 3)), min_size=1, max_size=50),
    rate=st.integers(1_000, 10**7),
)
def test_no_more_goes_than_the_rate_and_one_burst(sizes, rate):
    free_at_s, now_s, sent = 0.0, 100.0, 0
    began_s = now_s
    for size, pause_s in sizes:
        now_s += pause_s
        free_at_s, wait_s = taken(free_at_s, size, rate, now_s)
        now_s += wait_s
        assert sent <= rate * (now_s - began_s + BURST_S) + 1
        sent += size


def test_who_keeps_to_the_rate_does_not_wait():
    free_at_s, now_s = 0.0, 100.0
    for _ in range(100):
        free_at_s, wait_s = taken(free_at_s, 100, 1_000, now_s)
        assert wait_s == 0
        now_s += 0.1
