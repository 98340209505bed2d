"""The rules of services whose bytes the balancer passes through unread: what needs reading, and whose port is whose."""

import itertools
from collections.abc import Iterator

from cluster.balancer_settings import Service
from cluster.problem import Problem
from cluster.settings import Settings

_UNREAD = "needs a balancer that reads the session, and this service passes TLS through"
_DROP = "drop it, or write `tls: end`"


def broken_pass_through(settings: Settings) -> Iterator[Problem]:
    """What contradicts a service with `tls: pass-through`."""
    for name, service in settings.balancer.services.items():
        if service.passes_through:
            yield from _service(settings, f"balancer.services.{name}", service)
    if settings.balancer.passes_through:
        yield from _ports(settings)


def _service(settings: Settings, where: str, service: Service) -> Iterator[Problem]:
    needs_reading = {
        "commands": bool(service.commands),
        "hosts": bool(service.hosts),
        "reads": service.reads != "session",
        "persistence": service.persistence in {"account", "client-and-account"},
    } | {f"routes[{number}].accounts": bool(route.accounts) for number, route in enumerate(service.routes)}
    for field, is_there in needs_reading.items():
        if is_there:
            yield Problem(f"{where}.{field}", _UNREAD, _DROP)
    site = settings.sites.get(service.site)
    if service.implicit_port and site is not None and site.implicit_port is None:
        fix = f"give sites.{service.site} an implicit_port, or drop this one"
        yield Problem(f"{where}.implicit_port", f"leads to nothing: site {service.site} has none at the nodes", fix)


def _ports(settings: Settings) -> Iterator[Problem]:
    """A passive port at the VIP has to tell which node is meant."""
    balancer, nodes = settings.balancer, settings.nodes
    taken = {
        port: f"balancer.services.{name}" for name, one in balancer.services.items() for port in one.ports.values()
    }
    if balancer.management[0] == balancer.bind_address:
        taken[balancer.management_port] = "balancer.management_port"
    why = "and a service passes TLS through, so that each port at the VIP has to be one node's"
    for name, node in nodes.items():
        where, mine = f"nodes.{name}.passive_ports", node.passive_ports
        if mine.meets(balancer.passive_ports):
            yield Problem(where, f"meets balancer.passive_ports, {why}", "move one of them")
        for port in sorted(port for port in taken if port in mine.all()):
            yield Problem(where, f"contains port {port}, which is {taken[port]}, {why}", "move the range")
    for (one, first), (other, second) in itertools.combinations(nodes.items(), 2):
        if first.passive_ports.meets(second.passive_ports):
            what = f"meets that of {one}, {why}"
            yield Problem(f"nodes.{other}.passive_ports", what, "give every node a range of its own")
