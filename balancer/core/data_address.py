"""Reads and writes the addresses of data connections: PORT, PASV (RFC 959), EPRT, EPSV (RFC 2428)."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from cluster.balancer_settings import Advertised

_SIX: Final = re.compile(r"(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})", re.ASCII)
_EPSV: Final = re.compile(r"\(([\x21-\x7e])\1\1(\d{1,5})\1\)", re.ASCII)


def advertised_address(advertised: Sequence[Advertised], client: str, local: str) -> str:
    """The address for a 227 reply: what is advertised to the client's network, else where the client connected to."""
    address = ipaddress.ip_address(client)
    for entry in advertised:
        if address in ipaddress.ip_network(entry.clients):
            return entry.address
    return local


def pasv_text(address: str, port: int) -> str:
    """The text of a 227 reply."""
    return f"Entering Passive Mode ({address.replace('.', ',')},{port >> 8},{port & 255})."


def epsv_text(port: int) -> str:
    """The text of a 229 reply."""
    return f"Entering Extended Passive Mode (|||{port}|)."


def pasv_port(text: str) -> int | None:
    """The port in a node's 227 reply; its address is not believed (CVE-2021-4189). None where there is none."""
    found = _SIX.search(text)
    return _six(found)[1] if found and max(map(int, found.groups())) < 256 else None


def epsv_port(text: str) -> int | None:
    """The port in a node's 229 reply; None where there is none."""
    found = _EPSV.search(text)
    port = int(found[2]) if found else 0
    return port if 0 < port < 65536 else None


def port_target(argument: str) -> tuple[str, int] | None:
    """What PORT names; None when it is malformed."""
    found = _SIX.fullmatch(argument.strip())
    return _six(found) if found and max(map(int, found.groups())) < 256 else None


def eprt_target(argument: str) -> tuple[str, int] | None:
    """What EPRT names; None when it is malformed or of an unknown family."""
    argument = argument.strip()
    parts = argument.split(argument[0]) if argument else []
    if len(parts) != 5 or parts[0] or parts[4] or parts[1] not in {"1", "2"}:
        return None
    try:
        address = ipaddress.ip_address(parts[2])
    except ValueError:
        return None
    if address.version != {"1": 4, "2": 6}[parts[1]] or not re.fullmatch(r"[0-9]{1,5}", parts[3]):
        return None
    port = int(parts[3])
    return (str(address), port) if 0 < port < 65536 else None


def may_connect(target: tuple[str, int], client: str) -> bool:
    """Whether PORT or EPRT may name `target`: the client itself, above the privileged ports (RFC 2577, 3)."""
    return ipaddress.ip_address(target[0]) == ipaddress.ip_address(client) and target[1] >= 1024


def is_ipv4(address: str) -> bool:
    """Whether `address` is of IPv4."""
    return ipaddress.ip_address(address).version == 4


def _six(found: re.Match[str]) -> tuple[str, int]:
    numbers = [int(part) for part in found.groups()]
    return ".".join(map(str, numbers[:4])), numbers[4] << 8 | numbers[5]
