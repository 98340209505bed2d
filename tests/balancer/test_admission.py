"""How many clients of one network come in, and how fast."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.admission import Admission
from balancer.core.client_network import Bucket, network_of, refilled
from cluster.balancer_settings import ClientLimits


@pytest.mark.parametrize(
    ("client", "network"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2:3::7", "2001:db8:1::/48")],
)
def test_clients_are_counted_by_network(client, network) -> None:
    assert network_of(client, 24, 48) == network


def test_a_network_has_so_many_sessions_and_no_more_until_one_has_left() -> None:
    admission = Admission(ClientLimits(sessions=2))
    for number in (1, 2):
        assert admission.refusal(f"192.0.2.{number}", 0.0) == ""
        admission.entered(f"192.0.2.{number}")
    assert "192.0.2.0/24" in admission.refusal("192.0.2.3", 0.0)
    assert admission.refusal("198.51.100.1", 0.0) == ""
    admission.left("192.0.2.1")
    assert admission.refusal("192.0.2.3", 0.0) == ""


def test_a_burst_comes_in_and_then_one_at_a_time() -> None:
    admission = Admission(ClientLimits(new_sessions_per_s=2.0, burst=3))
    came_in = [at_s for at_s in (0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 1.0, 1.1, 90.0, 90.0, 90.0, 90.0)
               if not admission.refusal("192.0.2.1", at_s)]  # fmt: skip
    assert came_in == [0.0, 0.1, 0.2, 0.5, 1.0, 90.0, 90.0, 90.0]


@given(st.lists(st.floats(0.0, 100.0), max_size=200), st.floats(0.1, 50.0), st.integers(1, 20))
def test_however_they_come_no_more_get_in_than_burst_and_rate_allow(moments, per_s, burst) -> None:
    admission = Admission(ClientLimits(new_sessions_per_s=per_s, burst=burst))
    moments.sort()
    inside = sum(not admission.refusal("192.0.2.1", at_s) for at_s in moments)
    assert inside <= burst + per_s * (moments[-1] - moments[0] if moments else 0.0) + 1e-6


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    assert refilled(Bucket(1.0, 0.0), 5.0, 3, 100.0) == 3.0
