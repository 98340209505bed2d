"""Every listening socket of a balancer: made here, or taken over from the balancer before it.

A balancer holds them as long as it may have to accept on them, and accepts on copies, so that it can stop and go on.
"""

import os
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cluster.balancer_settings import Balancer
from cluster.log import logger
from cluster.settings import Settings

log = logger(__name__)

_BACKLOG: Final = 1024
_PASSIVE_BACKLOG: Final = 64
_CREDENTIALS: Final = struct.Struct("3i")

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Doorway:
    """Where clients of one service come in."""

    service: str
    implicit_tls: bool
    listener: socket.socket


@dataclass(frozen=True, slots=True)
class NodePort:
    """A passive port of a node, at the VIP: there for services that pass the node's own replies through."""

    node: str
    listener: socket.socket


@dataclass(frozen=True, slots=True)
class Listeners:
    """All of them. `successors` is where the balancer that takes over knocks; None where that address is taken."""

    management: socket.socket
    doorways: tuple[Doorway, ...]
    node_ports: tuple[NodePort, ...]
    passive: dict[int, socket.socket]
    successors: socket.socket | None

    def all(self) -> tuple[socket.socket, ...]:
        """Every one."""
        last = () if self.successors is None else (self.successors,)
        ways, ports = (way.listener for way in self.doorways), (port.listener for port in self.node_ports)
        return (self.management, *ways, *ports, *self.passive.values(), *last)

    def close(self) -> None:
        """Listen no more in this process."""
        for one in self.all():
            one.close()


def successors_address(balancer: Balancer) -> str:
    """Where a running balancer can be asked to hand over: an abstract Unix address, for which no file is kept."""
    return "\0tripod balancer {}:{}".format(*balancer.management)


def open_listeners(settings: Settings, given: Iterable[socket.socket] = ()) -> Listeners:
    """Listen on every address of the settings, on sockets of `given` where they have it; the rest of these is closed.

    OSError says in one line which address is busy; then all are closed.
    """
    stock = {one.getsockname(): one for one in given}
    opened: list[socket.socket] = []

    def have(what: str, address: Address, backlog: int) -> socket.socket:
        sock = stock.pop(_found(stock, address), None) or _listening(what, address, backlog)
        opened.append(sock)
        return sock

    balancer = settings.balancer
    address = balancer.bind_address
    try:
        listeners = Listeners(
            management=have("management", balancer.management, _BACKLOG),
            doorways=tuple(
                Doorway(name, field == "implicit_port", have(f"service {name},", (address, port), _BACKLOG))
                for name, service in balancer.services.items()
                for field, port in service.ports.items()
            ),
            node_ports=tuple(
                NodePort(name, have(f"passive, for {name},", (address, port), _PASSIVE_BACKLOG))
                for name, node in settings.nodes.items()
                for port in (node.passive_ports.all() if balancer.passes_through else ())
            ),
            passive={port: have("passive", (address, port), _PASSIVE_BACKLOG) for port in balancer.passive_ports.all()},
            successors=stock.pop(successors_address(balancer).encode(), None) or _door_for_successors(balancer),
        )
    except OSError:
        for sock in (*opened, *stock.values()):
            sock.close()
        raise
    for left_over in stock.values():
        left_over.close()
    return listeners


def is_trusted(peer: socket.socket) -> bool:
    """Whether at the other end of a Unix connection is a process of our own user, or of root."""
    _, user, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return user in {0, os.getuid()}


def _found(stock: dict[object, socket.socket], address: Address) -> object:
    """The address as getsockname says it: with four fields for IPv6."""
    return next((name for name in stock if isinstance(name, tuple) and name[:2] == address), None)


def _listening(what: str, address: Address, backlog: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        message = f"{what} port {address[1]} on {address[0]}: {error.strerror}"
        raise OSError(error.errno, message) from error
    sock.settimeout(0.0)
    return sock


def _door_for_successors(balancer: Balancer) -> socket.socket | None:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.bind(successors_address(balancer))
        sock.listen(4)
    except OSError as error:
        sock.close()
        log.warning("this balancer cannot hand over", why=error.strerror)
        return None
    sock.settimeout(0.0)
    return sock
