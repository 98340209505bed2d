"""The rules of transparent mode: what a node can only learn from a PROXY header, which that mode sends none of."""

from collections.abc import Iterator
from typing import Final

from cluster.problem import Problem
from cluster.settings import Settings

_SENDS_NONE: Final = "and a transparent balancer sends none: its connections come from the clients' own addresses"
_DROP: Final = "drop `balancer.transparent`"


def broken_transparent(settings: Settings) -> Iterator[Problem]:
    """What contradicts `balancer.transparent`."""
    balancer = settings.balancer
    if not balancer.transparent:
        return
    if balancer.node_tls != "off":
        fix = f"write `node_tls: off` where nobody else can reach that network, or {_DROP}"
        yield Problem("balancer.node_tls", f"begins behind a PROXY header, {_SENDS_NONE}", fix)
    for name, service in balancer.services.items():
        if service.passes_through:
            what = f"tells nodes the VIP in a PROXY header, {_SENDS_NONE}"
            yield Problem(f"balancer.services.{name}.tls", what, f"write `tls: end`, or {_DROP}")
    for name, node in settings.nodes.items():
        if (":" in node.address) != (":" in balancer.vip):
            what = "is of another family than the VIP, so that no client's address can be used towards it"
            yield Problem(f"nodes.{name}.address", what, f"give it one of the VIP's family, or {_DROP}")
    sites = {name for service in balancer.services.values() for name in service.sites if name in settings.sites}
    for name in dict.fromkeys(name for site in sorted(sites) for name in settings.sites[site].accounts):
        account = settings.accounts.get(name)
        if account is not None and (account.needs_tls or account.client_certificate != "no"):
            field = "tls" if account.client_certificate == "no" else "client_certificate"
            what = f"is known to nodes by a PROXY header alone, {_SENDS_NONE}"
            fix = f"keep the account to sites that the balancer does not serve, or {_DROP}"
            yield Problem(f"accounts.{name}.{field}", what, fix)
