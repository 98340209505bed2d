"""The rules of the balancer's services, pools and routes that one field alone cannot show."""

import ipaddress
from collections.abc import Collection, Iterator
from typing import Final

from cluster.balancer_settings import Service
from cluster.problem import Problem
from cluster.settings import Settings

_COMMANDS: Final = frozenset({
    "APPE", "AVBL", "CDUP", "COMB", "CWD", "DELE", "HASH", "LIST", "MDTM", "MFCT", "MFF", "MFMT", "MKD", "MLSD", "MLST",
    "NLST", "OPTS", "PWD", "RETR", "RMD", "RNFR", "RNTO", "SITE", "SIZE", "STAT", "STOR", "STOU", "XCRC", "XMD5",
    "XSHA256",
})  # fmt: skip
"""What a set of commands may name; the others every account may say."""


def broken_routes(settings: Settings) -> Iterator[Problem]:
    """What pools, routes and command sets name and is not there."""
    pools = settings.balancer.pools
    for name, pool in pools.items():
        for field, nodes in (("nodes", pool.nodes), ("backup", pool.backup)):
            where = f"balancer.pools.{name}.{field}"
            yield from _unknown(where, nodes, "node", settings.nodes)
        both = sorted(set(pool.nodes) & set(pool.backup))
        if both:
            yield Problem(f"balancer.pools.{name}.backup", f"{both[0]} is in nodes too", "leave it in one of them")
    for name, service in settings.balancer.services.items():
        yield from _service(settings, f"balancer.services.{name}", service)


def _service(settings: Settings, where: str, service: Service) -> Iterator[Problem]:
    pools = settings.balancer.pools
    known = [settings.sites[name] for name in sorted(service.sites) if name in settings.sites]
    accounts = tuple(account for site in known for account in site.accounts)
    for host, name in service.hosts.items():
        yield from _unknown(f"{where}.hosts.{host}", (name,), "site", settings.sites)
    yield from _unknown(f"{where}.pool", (service.pool,) if service.pool else (), "pool", pools)
    for number, route in enumerate(service.routes):
        here = f"{where}.routes[{number}]"
        yield from _unknown(f"{here}.pool", (route.pool,), "pool", pools)
        yield from _unknown(f"{here}.accounts", route.accounts, f"account of site {service.site}", accounts)
        for text in route.networks:
            try:
                ipaddress.ip_network(text)
            except ValueError as error:
                yield Problem(f"{here}.networks", str(error), "write a network such as 192.0.2.0/24")
        if not route.accounts and not route.networks and number < len(service.routes) - 1:
            fix = "make it the last, or say which accounts or networks it is for"
            yield Problem(here, "matches every session, so that later routes never do", fix)
    yield from _unknown(f"{where}.commands", tuple(service.commands), f"account of site {service.site}", accounts)
    for account, commands in service.commands.items():
        if not isinstance(commands, str):
            yield from _unknown(f"{where}.commands.{account}", commands, "command that can be forbidden", _COMMANDS)


def _unknown(where: str, names: tuple[str, ...], what: str, known: Collection[str]) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            fix = f"use one of: {', '.join(sorted(known))}" if known else f"there is no {what} yet; add one"
            yield Problem(where, f"there is no {what} {name!r}", fix)
