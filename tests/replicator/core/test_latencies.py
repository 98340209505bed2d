"""Latencies are summed up by nearest rank, over the last five hundred."""

import pytest

from replicator.core.latencies import Latencies, Summary, quantile


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [([7], 0.5, 7), ([7], 0.99, 7), ([3, 1, 2], 0.5, 2), ([1, 2, 3, 4], 0.5, 2), (range(1, 101), 0.99, 99)],
)
def test_a_quantile_is_the_value_of_its_rank(values, share, found):
    assert quantile(values, share) == found


def test_nothing_is_summed_up_as_nothing_and_old_values_are_forgotten():
    latencies = Latencies()
    assert latencies.summary() == Summary()
    for _ in range(500):
        latencies.add(9.0)
    for number in range(500):
        latencies.add(number / 1000)
    assert latencies.summary() == Summary(last_s=0.499, p50_s=0.249, p99_s=0.494)
