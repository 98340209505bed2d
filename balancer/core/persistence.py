"""What keeps a session on the node of earlier ones: the client's network, the account, both, or nothing."""

import ipaddress

from cluster.balancer_settings import Service


def persistence_key(service: Service, client: str, account: str) -> str | None:
    """Sessions with one key go to one node while it is there; None: each goes where it is best.

    IPv6 clients change the lower half of their address at will (RFC 8981), so what counts is a network.
    """
    match service.persistence:
        case "none":
            return None
        case "client":
            return _network(service, client)
        case "account":
            return account
        case "client-and-account":
            return f"{_network(service, client)} {account}"


def _network(service: Service, client: str) -> str:
    address = ipaddress.ip_address(client)
    bits = service.persistence_prefix_v4 if address.version == 4 else service.persistence_prefix_v6
    return str(ipaddress.ip_network((address, bits), strict=False))
