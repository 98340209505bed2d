"""The table of bans: how many failures, how close together, for how long, and who is exempt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.settings import Limits
from ftpnode.core.ban import Suspect, after_failure, is_within

LIMITS = Limits(ban_failures=4, ban_window_s=30, ban_s=600)


def held_against(moments_s, limits=LIMITS):
    suspect = Suspect()
    for moment_s in moments_s:
        suspect = after_failure(suspect, limits, moment_s)
    return suspect


@pytest.mark.parametrize(
    ("failures_s", "now_s", "left_s"),
    [
        ([], 0, 0),
        ([0, 1, 2], 2, 0),
        ([0, 1, 2, 3], 3, 600),
        ([0, 1, 2, 3], 602.5, 0.5),
        ([0, 1, 2, 3], 603, 0),
        ([0, 1, 2, 29.9], 29.9, 600),
        ([0, 1, 2, 30], 30, 0),
        ([0, 20, 40, 60, 80], 80, 0),
        ([0, 1, 2, 3, 4], 4, 599),  # what was under way when the ban came does not lengthen it
    ],
)
def test_four_failures_within_half_a_minute_ban(failures_s, now_s, left_s):
    assert held_against(failures_s).seconds_left(now_s) == pytest.approx(left_s)


def test_who_is_silent_long_enough_is_harmless_again():
    suspect = held_against([0, 1])
    assert not suspect.is_harmless(LIMITS, 30.5)
    assert suspect.is_harmless(LIMITS, 31)
    banned = held_against([0, 1, 2, 3])
    assert not banned.is_harmless(LIMITS, 602)
    assert banned.is_harmless(LIMITS, 603)


@given(st.lists(st.floats(0, 1000), max_size=30).map(sorted))
def test_nobody_is_banned_whose_failures_are_far_apart(moments_s):
    for number in range(len(moments_s)):
        suspect = held_against(moments_s[: number + 1])
        crowded = any(last - first < 30 for first, last in zip(moments_s, moments_s[3:], strict=False))
        assert crowded or not suspect.seconds_left(moments_s[number])


@pytest.mark.parametrize(
    ("address", "networks", "inside"),
    [
        ("192.0.2.7", ["192.0.2.0/24"], True),
        ("192.0.3.7", ["192.0.2.0/24", "198.51.100.1"], False),
        ("198.51.100.1", ["192.0.2.0/24", "198.51.100.1"], True),
        ("::ffff:192.0.2.7", ["192.0.2.0/24"], True),
        ("2001:db8::1", ["192.0.2.0/24"], False),
        ("2001:db8::1", ["2001:db8::/32"], True),
        ("fe80::1%eth0", ["fe80::/10"], True),
        ("192.0.2.7", [], False),
    ],
)
def test_an_address_lies_in_a_network_or_not(address, networks, inside):
    assert is_within(address, networks) is inside
