"""Clients' connections as they come in, before anybody serves them."""

from typing import NamedTuple


class Arrival(NamedTuple):
    """A control connection: from where to where, and whether its first byte is TLS."""

    client: tuple[str, int]
    local: tuple[str, int]
    implicit_tls: bool = False


class DataArrival(NamedTuple):
    """A data connection to a port of `node` at the VIP: from where, and to where."""

    node: str
    client: tuple[str, int]
    local: tuple[str, int]
