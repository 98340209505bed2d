"""Bytes are compressed where that brings them there sooner."""

import pytest

from replicator.core.packing import Costs, is_worth_packing, learned

FAST, SLOW = Costs(send_s=1.5e-9), Costs(send_s=80e-9)


@pytest.mark.parametrize(
    ("costs", "limit", "ratio", "worth"),
    [
        (Costs(), None, 0.3, True),  # nothing is known yet: a gigabit
        (Costs(), None, 0.9, False),
        (FAST, None, 0.1, False),  # loopback: the core is slower than the link
        (FAST, 10_000_000, 0.3, True),  # but not where the link is limited
        (SLOW, None, 0.3, True),
        (SLOW, None, 0.99, False),  # Hatanaka, compressed already
        (Costs(send_s=8e-9, pack_s=50e-9), None, 0.3, False),  # a busy processor
    ],
)
def test_it_is_worth_it_where_it_saves_time(costs, limit, ratio, worth):
    assert is_worth_packing(costs, limit, ratio) is worth


def test_what_was_measured_is_learned_by_and_by():
    known_s = 8e-9
    for _ in range(30):
        known_s = learned(known_s, 1.0, 10**9)
    assert known_s == pytest.approx(1e-9, rel=0.1)
    assert learned(known_s, 1.0, 0) == known_s
