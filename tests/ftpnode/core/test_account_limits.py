"""The tables of an account's own limits: sessions, networks, and the pace of its transfers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.settings import AccountLimits
from ftpnode.core.account_limits import refusal
from ftpnode.core.bandwidth import Pace, chunk_bytes

LIMITS = AccountLimits(sessions=3, sessions_per_address=2, networks=("192.0.2.0/24",))


@pytest.mark.parametrize(
    ("limits", "address", "sessions", "from_address", "code"),
    [
        (AccountLimits(), "198.51.100.1", 10_000, 10_000, None),
        (LIMITS, "192.0.2.1", 2, 1, None),
        (LIMITS, "192.0.2.1", 3, 0, "421"),
        (LIMITS, "192.0.2.1", 2, 2, "421"),
        (LIMITS, "198.51.100.1", 0, 0, "530"),
        (LIMITS, "198.51.100.1", 3, 2, "530"),
    ],
)
def test_who_may_begin_one_more_session(limits, address, sessions, from_address, code):
    reply = refusal(limits, address=address, sessions=sessions, from_address=from_address)
    assert (reply and reply[:3]) == code


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=50), st.integers(1000, 1_000_000))
def test_whoever_obeys_the_pauses_keeps_to_the_rate(chunks, bytes_per_s):
    now_s, pace = 1000.0, Pace()
    for chunk in chunks:
        pace = pace.after(chunk, bytes_per_s, now_s)
        now_s += pace.pause_s(now_s)
    assert sum(chunks) <= (now_s - 1000.0 + 0.5) * bytes_per_s + 1


def test_idle_time_earns_half_a_second_and_no_more():
    assert Pace().after(50, 100, 1000.0).pause_s(1000.0) == 0
    assert Pace().after(60, 100, 1000.0).pause_s(1000.0) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("bytes_per_s", "chunk"), [(None, 1 << 20), (1000, 16384), (800_000, 100_000), (1 << 30, 1 << 20)]
)
def test_slow_accounts_move_small_chunks(bytes_per_s, chunk):
    assert chunk_bytes(bytes_per_s, 1 << 20) == chunk
