"""PROXY headers that only a holder of the cluster's token key can make: nodes believe no others.

The last field of a signed header, of type 0xE2, has the moment in Unix seconds (8 bytes) and HMAC-SHA-256 with that
key over all bytes before it and the moment. Whoever manages to send from a balancer's address cannot speak in the name
of a client or of the balancer.
"""

import hashlib
import hmac
import struct
from typing import Final

from cluster.proxy_header import FIXED_BYTES, ProxyHeader, ProxyHeaderError, decode

_TLV_SIGNATURE: Final = 0xE2
_VALUE_BYTES: Final = 8 + 32
_FIELD_BYTES: Final = 3 + _VALUE_BYTES
_GOOD_FOR_S: Final = 120


def sign(header: bytes, key: bytes, now_s: float) -> bytes:
    """A PROXY header (see cluster.proxy_header.encode) with a signature of this moment."""
    (length,) = struct.unpack(">H", header[FIXED_BYTES - 2 : FIXED_BYTES])
    longer = header[: FIXED_BYTES - 2] + struct.pack(">H", length + _FIELD_BYTES) + header[FIXED_BYTES:]
    signed = longer + struct.pack(">BHQ", _TLV_SIGNATURE, _VALUE_BYTES, int(now_s))
    return signed + hmac.new(key, signed, hashlib.sha256).digest()


def decode_signed(data: bytes, key: bytes, now_s: float) -> ProxyHeader:
    """Read a whole header; ProxyHeaderError when it is not sound, or was not signed with this key just now."""
    header = decode(data)
    kind, length, moment_s = struct.unpack(">BHQ", data[-_FIELD_BYTES:][:11])
    if len(data) < FIXED_BYTES + _FIELD_BYTES or (kind, length) != (_TLV_SIGNATURE, _VALUE_BYTES):
        raise ProxyHeaderError("the header is not signed")
    if not hmac.compare_digest(data[-32:], hmac.new(key, data[:-32], hashlib.sha256).digest()):
        raise ProxyHeaderError("the header is signed with another key: is cluster.token_key the same on all hosts?")
    if abs(moment_s - now_s) > _GOOD_FOR_S:
        raise ProxyHeaderError("the header was signed at another time: check the clocks of balancer and node")
    return header
