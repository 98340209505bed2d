"""Opens the ports that clients connect to, before anything else is done with them."""

import contextlib
import socket
from collections.abc import Iterator, Mapping
from typing import Final

from cluster.problem import ConfigError, Problem
from cluster.settings import Settings

Address = tuple[str, int]

_BACKLOG: Final = 1024


def open_ports(settings: Settings, node: str) -> dict[str, socket.socket]:
    """A listening socket for every port of every site, by the port's path in the settings.

    ConfigError says which one is taken; then none stays open.
    """
    opened: dict[str, socket.socket] = {}
    try:
        for where, address in _ports(settings, settings.nodes[node].address):
            try:
                opened[where] = _listening(address)
            except OSError as error:
                raise cannot_listen(where, address, error) from error
    except ConfigError:
        close_ports(opened)
        raise
    return opened


def close_ports(opened: Mapping[str, socket.socket]) -> None:
    """Listen no more in this process."""
    for one in opened.values():
        with contextlib.suppress(OSError):
            one.close()


def cannot_listen(where: str, address: Address, error: OSError) -> ConfigError:
    """What to say of a port that cannot be opened."""
    what = f"cannot listen on {address[0]} port {address[1]}: {error.strerror or error}"
    return ConfigError((Problem(where, what, "stop what uses it, or choose another port or address"),))


def _ports(settings: Settings, host: str) -> Iterator[tuple[str, Address]]:
    for name, site in settings.sites.items():
        for field, port in site.ports.items():
            yield f"sites.{name}.{field}", (host, port)


def _listening(address: Address) -> socket.socket:
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    one = socket.socket(family, kind, protocol)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(where)
        one.listen(_BACKLOG)
    except OSError:
        one.close()
        raise
    return one
