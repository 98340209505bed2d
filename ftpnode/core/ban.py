"""Decides which client addresses are banned: too many wrong passwords within a short time (as IIS 8: 4 within 30 s)."""

import ipaddress
from collections.abc import Iterable

import msgspec

from cluster.settings import Limits


class Suspect(msgspec.Struct, frozen=True):
    """What is held against one address: the moments of its late failures, and the end of its ban."""

    failures_s: tuple[float, ...] = ()
    banned_until_s: float = 0.0

    def seconds_left(self, now_s: float) -> float:
        """How long it stays banned; 0 when it is not."""
        return max(0.0, self.banned_until_s - now_s)

    def is_harmless(self, limits: Limits, now_s: float) -> bool:
        """Whether nothing is held against it any more."""
        return not self.seconds_left(now_s) and not _late(self.failures_s, limits, now_s)


def after_failure(suspect: Suspect, limits: Limits, now_s: float) -> Suspect:
    """What is held against an address after one more failure; a ban wipes the failures that led to it."""
    failures_s = (*_late(suspect.failures_s, limits, now_s), now_s)
    if len(failures_s) >= limits.ban_failures:
        return Suspect(banned_until_s=now_s + limits.ban_s)
    return Suspect(failures_s, suspect.banned_until_s)


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address lies in one of the networks; an IPv4 address written as IPv6 counts as IPv4."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in ipaddress.ip_network(network) for network in networks)


def _late(failures_s: tuple[float, ...], limits: Limits, now_s: float) -> tuple[float, ...]:
    return tuple(moment_s for moment_s in failures_s if now_s - moment_s < limits.ban_window_s)
