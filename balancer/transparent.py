"""Sockets that speak with an address that is not this host's (ip(7), IP_TRANSPARENT)."""

import errno
import socket
from typing import Final

from cluster.problem import Problem

_IPV6_TRANSPARENT: Final = 75
"""Of linux/in6.h; Python's socket module lacks it."""

_FIX: Final = "give it CAP_NET_RAW (in a systemd unit: AmbientCapabilities=CAP_NET_RAW), or drop `transparent`"


def make_transparent(sock: socket.socket) -> None:
    """Let a socket be bound to any address; OSError."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_TRANSPARENT, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TRANSPARENT, 1)


def why_not_transparent() -> tuple[Problem, ...]:
    """What of this process or kernel stands in the way."""
    try:
        with socket.socket() as sock:
            make_transparent(sock)
    except OSError as error:
        lacks = (
            "this process has neither CAP_NET_RAW nor CAP_NET_ADMIN"
            if error.errno == errno.EPERM
            else str(error.strerror)
        )
        return (Problem("balancer.transparent", f"the kernel refuses IP_TRANSPARENT: {lacks}", _FIX),)
    return ()
