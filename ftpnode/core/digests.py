"""Knows the digests that HASH and its older relatives name, how each is computed, and how its reply reads.

HASH as draft-bryan-ftpext-hash-02 has it, for whole files; XSHA256, XMD5 and XCRC as servers before the draft had them.
"""

import hashlib
import zlib
from collections.abc import Callable
from typing import Final, Protocol

from blake3 import blake3
from typing_extensions import override


class Digest(Protocol):
    """A digest in the making."""

    def update(self, data: bytes, /) -> object:
        """Take the next bytes."""
        ...

    def hexdigest(self) -> str:
        """The digest of all bytes so far, in hexadecimal digits."""
        ...


class _Crc32(Digest):
    def __init__(self) -> None:
        self._value = 0

    @override
    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    @override
    def hexdigest(self) -> str:
        return f"{self._value:08x}"


HASH_NAMES: Final = ("SHA-256", "BLAKE3")
"""What HASH offers; the first is the default."""

NEW_DIGEST: Final[dict[str, Callable[[], Digest]]] = {
    "SHA-256": hashlib.sha256,
    "BLAKE3": blake3,
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "CRC32": _Crc32,
}

OLD_COMMANDS: Final = {"XSHA256": "SHA-256", "XMD5": "MD5", "XCRC": "CRC32"}


def hash_feature(chosen: str) -> str:
    """The FEAT line: every name HASH takes, a star behind the chosen one."""
    return "HASH " + ";".join(f"{name}*" if name == chosen else name for name in HASH_NAMES)


def unquoted(argument: str) -> str:
    """The path of an XCRC, XMD5 or XSHA256: clients put it in quotes, and double those in it."""
    inner = argument.strip()
    if len(inner) > 1 and inner[0] == inner[-1] == '"':
        return inner[1:-1].replace('""', '"')
    return argument
