"""Cuts the client's control stream into command lines (RFC 959, 5.3; Telnet sequences as RFC 854 has them)."""

import re
from typing import Final

import msgspec

MAX_LINE_BYTES: Final = 4096

_TELNET: Final = re.compile(rb"\xff(\xff|[\xfb-\xfe].?|.?)", re.DOTALL)


class LineTooLongError(Exception):
    """The client sent a line above the limit: it is broken or hostile, and the session must end."""


class Command(msgspec.Struct, frozen=True):
    """One command: the verb in capitals, and what followed the first space, as sent."""

    verb: str
    argument: str = ""

    @property
    def line(self) -> str:
        """The command as it goes to a node."""
        return f"{self.verb} {self.argument}" if self.argument else self.verb


class CommandLineReader:
    """Bytes in, whole lines out; CR LF and a bare LF both end a line."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def partial(self) -> bool:
        """Whether bytes of an unfinished line are waiting."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[str]:
        """Take bytes as they came; the lines that are whole now, in order; LineTooLongError above the limit."""
        self._buffer += data
        lines = []
        while (end := self._buffer.find(b"\n")) >= 0:
            if end > MAX_LINE_BYTES:
                break
            lines.append(_text(bytes(self._buffer[:end])))
            del self._buffer[: end + 1]
        if len(self._buffer) > MAX_LINE_BYTES:
            message = f"a line of more than {MAX_LINE_BYTES} bytes"
            raise LineTooLongError(message)
        return lines


def parse_command(line: str) -> Command:
    """The command in `line`; an empty line is the empty verb. Only ASCII has capitals and spaces: `ſTOR` is no STOR."""
    verb, _, argument = line.partition(" ")
    return Command(verb.strip().upper() if verb.isascii() else verb, argument)


def _text(line: bytes) -> str:
    """The line without its end and without Telnet: IAC IAC is one byte 255, other sequences are dropped."""
    line = line.removesuffix(b"\r")
    if b"\xff" in line:
        line = _TELNET.sub(lambda found: b"\xff" if found[1] == b"\xff" else b"", line)
    return line.decode("utf-8", "surrogateescape")
