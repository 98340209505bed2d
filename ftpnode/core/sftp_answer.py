"""Writes SFTP answers (draft-ietf-secsh-filexfer-02, version 3) as packets; sftp_packet reads what is asked."""

import struct
from collections.abc import Sequence
from typing import Final

from ftpnode.core.listing import Entry, long_line
from ftpnode.core.sftp_packet import (
    DATA_LIMIT_BYTES,
    HAS_MODE,
    HAS_SIZE,
    HAS_TIMES,
    LIMITS,
    PACKET_LIMIT_BYTES,
    POSIX_RENAME,
    VERSION,
    Kind,
)

_DIRECTORY_MODE: Final = 0o040755
_FILE_MODE: Final = 0o100644
_MAX_TIME_S: Final = 2**32 - 1


def version() -> bytes:
    """The answer to INIT."""
    extensions = _string(POSIX_RENAME) + _string(b"1") + _string(LIMITS) + _string(b"1")
    return _packet(struct.pack(">BI", Kind.VERSION, VERSION) + extensions)


def status(number: int, code: int, text: str) -> bytes:
    """A STATUS with a line for a person."""
    return _packet(struct.pack(">BII", Kind.STATUS, number, code) + _string(text.encode()) + _string(b"en"))


def handle(number: int, name: bytes) -> bytes:
    """A HANDLE."""
    return _packet(struct.pack(">BI", Kind.HANDLE, number) + _string(name))


def data(number: int, content: bytes) -> bytes:
    """A DATA."""
    return struct.pack(">IBII", 9 + len(content), Kind.DATA, number, len(content)) + content


def attrs(number: int, entry: Entry) -> bytes:
    """An ATTRS."""
    return _packet(struct.pack(">BI", Kind.ATTRS, number) + _attributes(entry))


def names(number: int, entries: Sequence[Entry], now_s: float, encoding: str) -> bytes:
    """A NAME with entries of a directory; a character that the encoding lacks is a question mark."""
    shown = b"".join(
        _string(entry.name.encode(encoding, "replace"))
        + _string(long_line(entry, now_s).rstrip("\r\n").encode(encoding, "replace"))
        + _attributes(entry)
        for entry in entries
    )
    return _packet(struct.pack(">BII", Kind.NAME, number, len(entries)) + shown)


def real_path(number: int, path: str, encoding: str) -> bytes:
    """A NAME with a path alone."""
    shown = path.encode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")
    return _packet(struct.pack(">BII", Kind.NAME, number, 1) + _string(shown) + _string(shown) + struct.pack(">I", 0))


def limits(number: int, most_handles: int) -> bytes:
    """The answer to limits@openssh.com."""
    numbers = (PACKET_LIMIT_BYTES, DATA_LIMIT_BYTES, DATA_LIMIT_BYTES, most_handles)
    return _packet(struct.pack(">BI4Q", Kind.EXTENDED_REPLY, number, *numbers))


def _attributes(entry: Entry) -> bytes:
    """Owners are not told, modes are the same for all."""
    mode = _DIRECTORY_MODE if entry.is_directory else _FILE_MODE
    time_s = min(max(int(entry.mtime_s), 0), _MAX_TIME_S)
    return struct.pack(">IQIII", HAS_SIZE | HAS_MODE | HAS_TIMES, entry.size_bytes, mode, time_s, time_s)


def _string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _packet(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content
