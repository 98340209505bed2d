"""Decides whether the name a client gives with HOST (RFC 7151) is one of a site's."""

import ipaddress
from collections.abc import Iterable


def is_host_of(names: Iterable[str], written: str, local: str) -> bool:
    """Whether HOST `written` is one of `names` or the address `local` that the client connected to; `*` is any name."""
    name = written.strip().removesuffix(".").lower()
    if not name:
        return False
    if {"*", name} & {host.lower() for host in names}:
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")) == ipaddress.ip_address(local)
    except ValueError:
        return False
