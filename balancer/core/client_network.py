"""Decides how many new sessions a client network may begin: a bucket of tokens, refilled at a rate.

The bucket holds `burst` tokens, and loses one with each session.
"""

import ipaddress

import msgspec


class Bucket(msgspec.Struct, frozen=True):
    """What a network had at the moment `at_s`."""

    tokens: float
    at_s: float


def refilled(bucket: Bucket, per_s: float, burst: int, now_s: float) -> float:
    """The tokens of a bucket at the moment `now_s`."""
    return min(float(burst), bucket.tokens + (now_s - bucket.at_s) * per_s)


def network_of(client: str, prefix_v4: int, prefix_v6: int) -> str:
    """The network of a client's address. IPv6 clients change the lower half at will (RFC 8981)."""
    address = ipaddress.ip_address(client)
    bits = prefix_v4 if address.version == 4 else prefix_v6
    return str(ipaddress.ip_network((address, bits), strict=False))
