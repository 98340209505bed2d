"""Replies: one to the client as text, and the reader that cuts a node's control stream into replies (RFC 959, 4.2)."""

from typing import Final

import msgspec

MAX_REPLY_BYTES: Final = 4 << 20
"""STAT of a large folder comes as one reply."""


class ReplyError(Exception):
    """The node sent something that is no FTP reply: its control connection cannot be trusted any more."""


class Reply(msgspec.Struct, frozen=True):
    """One reply: its code and its lines as they came, without their ends."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """What the last line says after the code."""
        return self.lines[-1][4:]

    @property
    def is_preliminary(self) -> bool:
        """1yz: another reply follows."""
        return 100 <= self.code < 200

    @property
    def is_good(self) -> bool:
        """2yz: done."""
        return 200 <= self.code < 300

    @property
    def is_intermediate(self) -> bool:
        """3yz: go on with the next command."""
        return 300 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        """4yz: not now, perhaps later or elsewhere."""
        return 400 <= self.code < 500


def reply(code: int, text: str, *between: str) -> Reply:
    """A reply of our own: one line, or `text`, the lines `between` indented by a space, and an end."""
    if between:
        return Reply(code, (f"{code}-{text}", *(f" {line}" for line in between), f"{code} End."))
    return Reply(code, (f"{code} {text}",))


def encode(answer: Reply) -> bytes:
    """The reply on the wire."""
    return "".join(f"{line}\r\n" for line in answer.lines).encode("utf-8", "surrogateescape")


class ReplyReader:
    """Bytes in, whole replies out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._size_bytes = 0

    def feed(self, data: bytes) -> list[Reply]:
        """Take bytes as they came; the replies that are whole now, in order; ReplyError for anything else."""
        self._buffer += data
        if len(self._buffer) + self._size_bytes > MAX_REPLY_BYTES:
            message = f"a reply of more than {MAX_REPLY_BYTES} bytes"
            raise ReplyError(message)
        *whole, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        return [answer for line in whole if (answer := self._take(line)) is not None]

    def _take(self, raw: bytes) -> Reply | None:
        line = raw.removesuffix(b"\r").decode("utf-8", "surrogateescape")
        code = line[:3]
        if not self._lines and not (code.isdecimal() and code.isascii() and "100" <= code < "700"):
            message = f"not a reply: {line[:80]!r}"
            raise ReplyError(message)
        self._lines.append(line)
        self._size_bytes += len(raw)
        # A dash after the first code opens a multi-line reply; only the same code and a space end it, so a line in
        # between may look like a reply of its own.
        first = self._lines[0]
        if first[3:4] == "-" and (len(self._lines) == 1 or line[:4] not in {f"{first[:3]} ", first[:3]}):
            return None
        answer = Reply(int(first[:3]), tuple(self._lines))
        self._lines, self._size_bytes = [], 0
        return answer
