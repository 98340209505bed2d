"""The list of bans: who is exempt, what lifting does, and that it never grows without bounds."""

from cluster.settings import Limits
from ftpnode.bans import BanList

LIMITS = Limits(ban_failures=2, ban_window_s=30, ban_s=600)


def test_an_exempt_network_is_never_banned():
    listed = BanList()
    for moment_s in range(10):
        assert not listed.failed("192.0.2.9", LIMITS, ("192.0.2.0/24",), moment_s)
    assert listed.document(10.0).bans == ()


def test_the_failure_that_bans_is_told_and_lifting_forgets_it():
    listed = BanList()
    assert not listed.failed("192.0.2.9", LIMITS, (), 0.0)
    assert listed.failed("192.0.2.9", LIMITS, (), 1.0)
    assert listed.is_banned("192.0.2.9", 600.9)
    assert not listed.is_banned("192.0.2.9", 601.0)
    assert listed.lift("192.0.2.9", 2.0)
    assert not listed.lift("192.0.2.9", 2.0)
    assert not listed.failed("192.0.2.9", LIMITS, (), 3.0), "what led to the ban is forgiven too"


def test_under_an_attack_from_everywhere_old_addresses_are_forgotten():
    listed = BanList(most_addresses=10)
    for number in range(100):
        for moment_s in (number, number + 0.5):
            listed.failed(f"192.0.2.{number}", LIMITS, (), moment_s)
        assert listed.is_banned(f"192.0.2.{number}", number + 0.5)
        assert len(listed.document(number).bans) <= 10
