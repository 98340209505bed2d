"""Reads and judges where PORT and EPRT want the server to connect (RFC 959, 2428; RFC 2577 against bounce attacks)."""

import ipaddress
import re
from typing import Final

import msgspec

_PORT: Final = re.compile(r"[0-9]{1,3}(,[0-9]{1,3}){5}")


class DataAddress(msgspec.Struct, frozen=True):
    """Where a client listens for its data."""

    host: str
    port: int


def read_port(argument: str) -> DataAddress | None:
    """The address in a PORT argument `h1,h2,h3,h4,p1,p2`; None when it is none."""
    argument = argument.strip()
    if not _PORT.fullmatch(argument):
        return None
    numbers = [int(part) for part in argument.split(",")]
    if max(numbers) > 255:
        return None
    return DataAddress(".".join(str(number) for number in numbers[:4]), numbers[4] * 256 + numbers[5])


def read_eprt(argument: str) -> DataAddress | None:
    """The address in an EPRT argument `|protocol|address|port|`; None when it is none."""
    argument = argument.strip()
    parts = argument.split(argument[:1]) if argument else []
    if len(parts) != 5 or not (parts[3].isascii() and parts[3].isdigit() and len(parts[3]) <= 5):
        return None
    try:
        host = ipaddress.ip_address(parts[2])
    except ValueError:
        return None
    if parts[1] != {4: "1", 6: "2"}[host.version] or int(parts[3]) > 65535:
        return None
    return DataAddress(str(host), int(parts[3]))


def refusal(wanted: DataAddress, peer: str) -> str | None:
    """Why the server does not connect to `wanted` for a control connection from `peer`, as a reply; None if it does."""
    if wanted.host != peer:
        return "501 Data connections go to your own address only."
    if wanted.port < 1024:
        return "501 Data connections go to ports from 1024 only."
    return None
