"""Decides from which address a connection to a node comes: the balancer's own, or (transparent mode) its client's."""

import msgspec

from cluster.balancer_settings import Balancer


class Source(msgspec.Struct, frozen=True):
    """An address of this host, or (`is_foreign`) another's. `port`: this one where it is free, 0 for any."""

    address: str
    port: int = 0
    is_foreign: bool = False


def back_source(balancer: Balancer, client: str, target: str, *, client_port: int = 0) -> Source:
    """Where a connection to the node at `target` comes from, for a client at `client`."""
    if balancer.transparent:
        return Source(client, client_port, is_foreign=True)
    return Source(balancer.source_address(target))
