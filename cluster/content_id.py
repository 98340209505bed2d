"""The content id of a file: BLAKE3 (256 bits) of its whole content, as 64 lower-case hexadecimal digits."""

import re
from typing import BinaryIO, Final, NewType

from blake3 import blake3

ContentId = NewType("ContentId", str)

_PATTERN: Final = re.compile(r"[0-9a-f]{64}")
_CHUNK_BYTES: Final = 1 << 20


class ContentHash:
    """A content id in the making: feed it the bytes in order as they come."""

    def __init__(self) -> None:
        self._hash = blake3()
        self.size_bytes = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the file."""
        self._hash.update(data)
        self.size_bytes += len(data)

    def content_id(self) -> ContentId:
        """The id of all bytes so far."""
        return ContentId(self._hash.hexdigest())


def content_id_of(data: bytes) -> ContentId:
    """The content id of these bytes."""
    return ContentId(blake3(data).hexdigest())


def content_id_of_file(file: BinaryIO) -> ContentId:
    """The content id of a binary file, read from where it stands to its end; OSError passes through."""
    content = ContentHash()
    while chunk := file.read(_CHUNK_BYTES):
        content.update(chunk)
    return content.content_id()


def is_content_id(text: str) -> bool:
    """Whether `text` has the shape of a content id."""
    return _PATTERN.fullmatch(text) is not None


EMPTY: Final = content_id_of(b"")
