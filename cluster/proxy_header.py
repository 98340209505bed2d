"""The PROXY protocol, version 2 (the binary one), for TCP over IPv4 and IPv6: written by balancers, read by nodes.

Source: haproxy's doc/proxy-protocol.txt, section 2.2. Two type-length-value fields are used: PP2_TYPE_SSL says that
the client speaks TLS to the balancer, and 0xE0 carries the session id for the logs.
"""

import ipaddress
import struct
from typing import Final

import msgspec

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
FIXED_BYTES: Final = 16
MAX_ADDRESS_BYTES: Final = 536

_TLV_SSL: Final = 0x20
_TLV_SESSION: Final = 0xE0
_CLIENT_SSL: Final = 0x01


class ProxyHeaderError(Exception):
    """The bytes are not a PROXY v2 header we accept; the connection must end."""


class ProxyHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Who is behind a connection.

    `source` and `destination` are (address, port) of the client's own connection; None for both (command LOCAL)
    means the balancer speaks for itself, as its health probes do.
    """

    source: tuple[str, int] | None
    destination: tuple[str, int] | None
    tls: bool = False
    session: str = ""


def encode(header: ProxyHeader) -> bytes:
    """The header as bytes."""
    fields = b""
    if header.tls:
        fields += _field(_TLV_SSL, struct.pack(">BI", _CLIENT_SSL, 0))
    if header.session:
        fields += _field(_TLV_SESSION, header.session.encode("ascii"))
    if header.source is None or header.destination is None:
        return SIGNATURE + struct.pack(">BBH", 0x20, 0x00, len(fields)) + fields
    source = ipaddress.ip_address(header.source[0])
    destination = ipaddress.ip_address(header.destination[0])
    assert source.version == destination.version, "both ends of one connection"
    family = 0x11 if source.version == 4 else 0x21
    body = source.packed + destination.packed + struct.pack(">HH", header.source[1], header.destination[1]) + fields
    return SIGNATURE + struct.pack(">BBH", 0x21, family, len(body)) + body


def body_length_bytes(fixed: bytes) -> int:
    """How many bytes follow the first sixteen; ProxyHeaderError when those are no v2 header."""
    if len(fixed) != FIXED_BYTES or fixed[:12] != SIGNATURE:
        raise ProxyHeaderError("no PROXY v2 signature")
    version_command, _, length = struct.unpack(">BBH", fixed[12:])
    if version_command not in {0x20, 0x21}:
        raise ProxyHeaderError(f"PROXY version and command {version_command:#04x}")
    if length > MAX_ADDRESS_BYTES:
        raise ProxyHeaderError(f"PROXY header of {length} bytes")
    return int(length)


def decode(data: bytes) -> ProxyHeader:
    """Read a whole header (sixteen bytes and the body); ProxyHeaderError when it is not sound."""
    length = body_length_bytes(data[:FIXED_BYTES])
    body = data[FIXED_BYTES:]
    if len(body) != length:
        raise ProxyHeaderError(f"{len(body)} bytes where {length} were announced")
    command, family = data[12] & 0x0F, data[13]
    if command == 0:
        tls, session = _read_fields(body)
        return ProxyHeader(source=None, destination=None, tls=tls, session=session)
    address_bytes = {0x11: 4, 0x21: 16}.get(family)
    if address_bytes is None:
        raise ProxyHeaderError(f"PROXY family {family:#04x}")
    end = 2 * address_bytes + 4
    if len(body) < end:
        raise ProxyHeaderError("PROXY addresses are cut short")
    source = str(ipaddress.ip_address(body[:address_bytes]))
    destination = str(ipaddress.ip_address(body[address_bytes : 2 * address_bytes]))
    source_port, destination_port = struct.unpack(">HH", body[2 * address_bytes : end])
    tls, session = _read_fields(body[end:])
    return ProxyHeader(
        source=(source, source_port), destination=(destination, destination_port), tls=tls, session=session
    )


def _field(kind: int, value: bytes) -> bytes:
    return struct.pack(">BH", kind, len(value)) + value


def _read_fields(data: bytes) -> tuple[bool, str]:
    tls, session = False, ""
    while data:
        if len(data) < 3:
            raise ProxyHeaderError("a PROXY field is cut short")
        kind, length = struct.unpack(">BH", data[:3])
        value, data = data[3 : 3 + length], data[3 + length :]
        if len(value) != length:
            raise ProxyHeaderError("a PROXY field is cut short")
        if kind == _TLV_SSL:
            tls = len(value) >= 5 and bool(value[0] & _CLIENT_SSL)
        if kind == _TLV_SESSION:
            session = _session_text(value)
    return tls, session


def _session_text(value: bytes) -> str:
    text = value.decode("ascii", errors="replace")
    if not text.isalnum() or len(text) > 64:
        raise ProxyHeaderError("the session id is not one")
    return text
