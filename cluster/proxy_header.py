"""The PROXY protocol, version 2 (the binary one), for TCP over IPv4 and IPv6: written by balancers, read by nodes.

Source: haproxy's doc/proxy-protocol.txt, section 2.2. Two type-length-value fields are used: PP2_TYPE_SSL says that
the client speaks TLS to the balancer and, in PP2_SUBTYPE_SSL_CLIENT_CERT, with which certificate; of the range for own
use, 0xE0 carries the session id, 0xE1 says that TLS begins right behind the header, 0xE2 is the signature (see
cluster.signed_header), and 0xE3 the address of the VIP for 227 replies.
"""

import ipaddress
import struct
from collections.abc import Iterator
from typing import Final

import msgspec

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
FIXED_BYTES: Final = 16
MAX_CERTIFICATE_BYTES: Final = 8 << 10
MAX_BODY_BYTES: Final = 536 + MAX_CERTIFICATE_BYTES

_TLV_SSL: Final = 0x20
_TLV_SSL_CLIENT_CERTIFICATE: Final = 0x28
_TLV_SESSION: Final = 0xE0
_TLV_LEG_TLS: Final = 0xE1
_TLV_PASSIVE_ADDRESS: Final = 0xE3
_CLIENT_SSL: Final = 0x01
_CLIENT_CERTIFICATE: Final = 0x02 | 0x04  # shown on this connection, and in this TLS session
_NOT_VERIFIED: Final = 1
_SSL_FIXED_BYTES: Final = 5


class ProxyHeaderError(Exception):
    """The bytes are not a PROXY v2 header we accept; the connection must end."""


class ProxyHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Who is behind a connection.

    `source` and `destination` are (address, port) of the client's own connection; None for both (command LOCAL)
    means the balancer speaks for itself, as its health probes do. `certificate` (DER) is the client's own, whose key it
    has shown to hold in the handshake; whom it stands for the node judges. One above MAX_CERTIFICATE_BYTES is left out.
    `leg_tls`: behind the header, and on the data connections, balancer and node speak TLS. `passive_address`: the
    balancer passes the client's own bytes through and reads none of them; PASV has to tell this address, and data
    connections come with a header too.
    """

    source: tuple[str, int] | None
    destination: tuple[str, int] | None
    tls: bool = False
    certificate: bytes = b""
    session: str = ""
    leg_tls: bool = False
    passive_address: str = ""


def encode(header: ProxyHeader) -> bytes:
    """The header as bytes."""
    fields = b""
    if header.tls:
        fields += _field(_TLV_SSL, _ssl_value(header.certificate))
    if header.session:
        fields += _field(_TLV_SESSION, header.session.encode("ascii"))
    if header.leg_tls:
        fields += _field(_TLV_LEG_TLS, b"\x01")
    if header.passive_address:
        fields += _field(_TLV_PASSIVE_ADDRESS, ipaddress.ip_address(header.passive_address).packed)
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
    if length > MAX_BODY_BYTES:
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
        return _with_fields(ProxyHeader(source=None, destination=None), body)
    address_bytes = {0x11: 4, 0x21: 16}.get(family)
    if address_bytes is None:
        raise ProxyHeaderError(f"PROXY family {family:#04x}")
    end = 2 * address_bytes + 4
    if len(body) < end:
        raise ProxyHeaderError("PROXY addresses are cut short")
    source = str(ipaddress.ip_address(body[:address_bytes]))
    destination = str(ipaddress.ip_address(body[address_bytes : 2 * address_bytes]))
    source_port, destination_port = struct.unpack(">HH", body[2 * address_bytes : end])
    ends = ProxyHeader(source=(source, source_port), destination=(destination, destination_port))
    return _with_fields(ends, body[end:])


def _field(kind: int, value: bytes) -> bytes:
    return struct.pack(">BH", kind, len(value)) + value


def _ssl_value(certificate: bytes) -> bytes:
    if not 0 < len(certificate) <= MAX_CERTIFICATE_BYTES:
        return struct.pack(">BI", _CLIENT_SSL, _NOT_VERIFIED)
    fixed = struct.pack(">BI", _CLIENT_SSL | _CLIENT_CERTIFICATE, _NOT_VERIFIED)
    return fixed + _field(_TLV_SSL_CLIENT_CERTIFICATE, certificate)


def _with_fields(header: ProxyHeader, data: bytes) -> ProxyHeader:
    for kind, value in _fields(data):
        if kind == _TLV_SSL and len(value) >= _SSL_FIXED_BYTES and value[0] & _CLIENT_SSL:
            below = dict(_fields(value[_SSL_FIXED_BYTES:]))
            shown = below.get(_TLV_SSL_CLIENT_CERTIFICATE, b"") if value[0] & _CLIENT_CERTIFICATE else b""
            header = msgspec.structs.replace(header, tls=True, certificate=shown)
        if kind == _TLV_SESSION:
            header = msgspec.structs.replace(header, session=_session_text(value))
        if kind == _TLV_LEG_TLS:
            header = msgspec.structs.replace(header, leg_tls=value == b"\x01")
        if kind == _TLV_PASSIVE_ADDRESS:
            header = msgspec.structs.replace(header, passive_address=_address_text(value))
    return header


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        if len(data) < 3:
            raise ProxyHeaderError("a PROXY field is cut short")
        kind, length = struct.unpack(">BH", data[:3])
        value, data = data[3 : 3 + length], data[3 + length :]
        if len(value) != length:
            raise ProxyHeaderError("a PROXY field is cut short")
        yield kind, value


def _address_text(value: bytes) -> str:
    if len(value) not in {4, 16}:
        raise ProxyHeaderError("the passive address is not one")
    return str(ipaddress.ip_address(value))


def _session_text(value: bytes) -> str:
    text = value.decode("ascii", errors="replace")
    if not text.isalnum() or len(text) > 64:
        raise ProxyHeaderError("the session id is not one")
    return text
