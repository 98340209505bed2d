"""Frames on a byte stream: four bytes of length, big-endian, then that many bytes of MessagePack.

Both protocols of the cluster use them: the publish socket and the peer wire. Sans-IO: bytes in, payloads out.
"""

import struct
from typing import Final

_LENGTH: Final = struct.Struct(">I")
HEADER_BYTES: Final = _LENGTH.size
MAX_FRAME_BYTES: Final = 8 << 20


class FrameTooLongError(Exception):
    """The other end announced a frame above the limit: it is broken or hostile, and the connection must end."""


def frame(payload: bytes) -> bytes:
    """One frame on the wire; AssertionError when the payload is above the limit (our bug)."""
    assert len(payload) <= MAX_FRAME_BYTES, f"a frame of {len(payload)} bytes"
    return _LENGTH.pack(len(payload)) + payload


def frame_length_bytes(header: bytes | bytearray | memoryview) -> int:
    """The payload length a four-byte header announces; FrameTooLongError above the limit."""
    (length,) = _LENGTH.unpack(header)
    if length > MAX_FRAME_BYTES:
        message = f"a frame of {length} bytes is above the limit of {MAX_FRAME_BYTES}"
        raise FrameTooLongError(message)
    return int(length)


class FrameReader:
    """Cuts a byte stream into payloads; holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came; return the payloads that are whole now, in order."""
        buffer = self._buffer
        if buffer:
            buffer += data
        payloads, begin = [], 0
        with memoryview(buffer or data) as view:
            while len(view) >= begin + HEADER_BYTES:
                end = begin + HEADER_BYTES + frame_length_bytes(view[begin : begin + HEADER_BYTES])
                if len(view) < end:
                    break
                payloads.append(bytes(view[begin + HEADER_BYTES : end]))
                begin = end
        if buffer:
            del buffer[:begin]
        else:
            buffer += data[begin:]
        return payloads
