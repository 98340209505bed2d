"""Decides to which pool of nodes a session goes: the first route that its account and its client's network match."""

import ipaddress
from collections.abc import Mapping

from cluster.balancer_settings import Pool, Route, Service


def pool_of(service: Service, pools: Mapping[str, Pool], account: str, client: str) -> Pool | None:
    """The pool for a session of `account` from the address `client`; None: any node."""
    name = next((route.pool for route in service.routes if matches(route, account, client)), service.pool)
    return None if name is None else pools[name]


def matches(route: Route, account: str, client: str) -> bool:
    """Whether the route is for this session. An IPv6 network never holds an IPv4 address."""
    address = ipaddress.ip_address(client)
    of_account = not route.accounts or account in route.accounts
    return of_account and (
        not route.networks or any(address in ipaddress.ip_network(network) for network in route.networks)
    )
