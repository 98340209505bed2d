"""Reads SFTP requests (draft-ietf-secsh-filexfer-02, version 3); sftp_answer writes what goes back.

A packet is what stands behind the four bytes of its length: a kind, and but for INIT a request number. Names are UTF-8
or, for accounts whose clients want that, Latin-1; UTF-8 that is broken becomes lone surrogates, which no path may have.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum, IntFlag
from typing import Final

import msgspec

VERSION: Final = 3
PACKET_LIMIT_BYTES: Final = 256 << 10
"""No packet may be longer; as in OpenSSH."""
DATA_LIMIT_BYTES: Final = PACKET_LIMIT_BYTES - 1024
"""The most a READ answers and a client should WRITE at once."""
NAMES_AT_ONCE: Final = 100

POSIX_RENAME: Final = b"posix-rename@openssh.com"
LIMITS: Final = b"limits@openssh.com"
HAS_SIZE, HAS_OWNER, HAS_MODE, HAS_TIMES = 0x1, 0x2, 0x4, 0x8  # flags of attributes


class BadPacketError(Exception):
    """The bytes are no packet that a client may send."""


class Flag(IntFlag):
    """How OPEN wants a file."""

    READ = 1
    WRITE = 2
    APPEND = 4
    CREATE = 8
    TRUNCATE = 16
    EXCLUSIVE = 32


class Kind(IntEnum):
    """The requests that we know, and the answers."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    STAT = 17
    RENAME = 18
    READLINK = 19
    SYMLINK = 20
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Attributes(msgspec.Struct, frozen=True):
    """What a client wants of a file's attributes; those that we do not keep (owner, mode, access time) are not here."""

    size_bytes: int | None = None
    mtime_s: int | None = None


class Open(msgspec.Struct, frozen=True):
    """OPEN."""

    path: str
    flags: Flag
    attributes: Attributes


class Close(msgspec.Struct, frozen=True):
    """CLOSE, of a file or a directory."""

    handle: bytes


class Read(msgspec.Struct, frozen=True):
    """READ."""

    handle: bytes
    offset: int
    length: int


class Write(msgspec.Struct, frozen=True):
    """WRITE; `data` is a view of the packet."""

    handle: bytes
    offset: int
    data: memoryview


class Stat(msgspec.Struct, frozen=True):
    """STAT, or LSTAT: there are no links."""

    path: str


class FStat(msgspec.Struct, frozen=True):
    """FSTAT."""

    handle: bytes


class SetStat(msgspec.Struct, frozen=True):
    """SETSTAT."""

    path: str
    attributes: Attributes


class FSetStat(msgspec.Struct, frozen=True):
    """FSETSTAT."""

    handle: bytes
    attributes: Attributes


class OpenDir(msgspec.Struct, frozen=True):
    """OPENDIR."""

    path: str


class ReadDir(msgspec.Struct, frozen=True):
    """READDIR."""

    handle: bytes


class Remove(msgspec.Struct, frozen=True):
    """REMOVE."""

    path: str


class MkDir(msgspec.Struct, frozen=True):
    """MKDIR; its attributes are not kept."""

    path: str


class RmDir(msgspec.Struct, frozen=True):
    """RMDIR."""

    path: str


class RealPath(msgspec.Struct, frozen=True):
    """REALPATH."""

    path: str


class Rename(msgspec.Struct, frozen=True):
    """RENAME, which never replaces, or posix-rename@openssh.com, which does."""

    source: str
    target: str
    replace: bool


class Link(msgspec.Struct, frozen=True):
    """READLINK or SYMLINK."""


class AskLimits(msgspec.Struct, frozen=True):
    """limits@openssh.com: how much may be asked for at once."""


class Unknown(msgspec.Struct, frozen=True):
    """What we do not know."""


class Garbled(msgspec.Struct, frozen=True):
    """A request that ends in its middle."""


Request = (
    Open | Close | Read | Write | Stat | FStat | SetStat | FSetStat | OpenDir | ReadDir | Remove | MkDir | RmDir
    | RealPath | Rename | Link | AskLimits | Unknown | Garbled
)  # fmt: skip


def subject(request: Request) -> str:
    """The path that a request names, or both of a RENAME, for a log."""
    match request:
        case Rename(source=source, target=target):
            return f"{source} {target}"
        case Open() | Stat() | SetStat() | OpenDir() | Remove() | MkDir() | RmDir() | RealPath():
            return request.path
        case _:
            return ""


def handle_of(request: Request) -> bytes:
    """The handle that a request names."""
    match request:
        case Close() | Read() | Write() | FStat() | FSetStat() | ReadDir():
            return request.handle
        case _:
            return b""


class _Fields:
    """Takes the fields of a packet one after the other; BadPacketError where they end early."""

    def __init__(self, packet: memoryview, at: int, encoding: str) -> None:
        self._packet = packet
        self._at = at
        self._encoding = encoding

    def number(self) -> int:
        return int.from_bytes(self._take(4))

    def long_number(self) -> int:
        return int.from_bytes(self._take(8))

    def view(self) -> memoryview:
        return self._take(self.number())

    def string(self) -> bytes:
        return bytes(self.view())

    def text(self) -> str:
        return self.string().decode(self._encoding, "surrogateescape")

    def attributes(self) -> Attributes:
        flags = self.number()
        size_bytes = self.long_number() if flags & HAS_SIZE else None
        self._take((8 if flags & HAS_OWNER else 0) + (4 if flags & HAS_MODE else 0))
        mtime_s = (self.number(), self.number())[1] if flags & HAS_TIMES else None
        return Attributes(size_bytes, mtime_s)

    def _take(self, length: int) -> memoryview:
        end = self._at + length
        if end > len(self._packet):
            raise BadPacketError("a request ends in its middle")
        found = self._packet[self._at : end]
        self._at = end
        return found


def _extended(fields: _Fields) -> Request:
    name = fields.string()
    if name == POSIX_RENAME:
        return Rename(fields.text(), fields.text(), replace=True)
    return AskLimits() if name == LIMITS else Unknown()


_READERS: Final[Mapping[int, Callable[[_Fields], Request]]] = {
    Kind.OPEN: lambda fields: Open(fields.text(), Flag(fields.number() & 0x3F), fields.attributes()),
    Kind.CLOSE: lambda fields: Close(fields.string()),
    Kind.READ: lambda fields: Read(fields.string(), fields.long_number(), fields.number()),
    Kind.WRITE: lambda fields: Write(fields.string(), fields.long_number(), fields.view()),
    Kind.LSTAT: lambda fields: Stat(fields.text()),
    Kind.FSTAT: lambda fields: FStat(fields.string()),
    Kind.SETSTAT: lambda fields: SetStat(fields.text(), fields.attributes()),
    Kind.FSETSTAT: lambda fields: FSetStat(fields.string(), fields.attributes()),
    Kind.OPENDIR: lambda fields: OpenDir(fields.text()),
    Kind.READDIR: lambda fields: ReadDir(fields.string()),
    Kind.REMOVE: lambda fields: Remove(fields.text()),
    Kind.MKDIR: lambda fields: MkDir(fields.text()),
    Kind.RMDIR: lambda fields: RmDir(fields.text()),
    Kind.REALPATH: lambda fields: RealPath(fields.text()),
    Kind.STAT: lambda fields: Stat(fields.text()),
    Kind.RENAME: lambda fields: Rename(fields.text(), fields.text(), replace=False),
    Kind.READLINK: lambda _: Link(),
    Kind.SYMLINK: lambda _: Link(),
    Kind.EXTENDED: _extended,
}


def read_init(packet: memoryview) -> int:
    """The version that the client's first packet asks for; BadPacketError when it is no INIT."""
    if len(packet) < 5 or packet[0] != Kind.INIT:
        raise BadPacketError("the client does not begin with INIT")
    return int.from_bytes(packet[1:5])


def read_request(packet: memoryview, encoding: str) -> tuple[int, Request]:
    """The number and the request; BadPacketError when there is not even a number to answer."""
    if len(packet) < 5:
        raise BadPacketError("a request has no number")
    number = int.from_bytes(packet[1:5])
    reader = _READERS.get(packet[0])
    if reader is None:
        return number, Unknown()
    try:
        return number, reader(_Fields(packet, 5, encoding))
    except BadPacketError:
        return number, Garbled()


class PacketReader:
    """Cuts a stream into packets."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._held_bytes = 0
        self._wanted_bytes = 4

    def feed(self, data: bytes) -> list[memoryview]:
        """The packets that `data` completes; BadPacketError when one is empty or too long."""
        self._chunks.append(data)
        self._held_bytes += len(data)
        if self._held_bytes < self._wanted_bytes:
            return []
        stream = memoryview(data if len(self._chunks) == 1 else b"".join(self._chunks))
        packets = []
        at, self._wanted_bytes = 0, 4
        while len(stream) - at >= 4:
            length = int.from_bytes(stream[at : at + 4])
            if not 0 < length <= PACKET_LIMIT_BYTES:
                raise BadPacketError(f"a packet of {length} bytes")
            if len(stream) - at - 4 < length:
                self._wanted_bytes = 4 + length
                break
            packets.append(stream[at + 4 : at + 4 + length])
            at += 4 + length
        self._chunks = [bytes(stream[at:])]
        self._held_bytes = len(stream) - at
        return packets
