"""Reads one line of the control connection into a command and its argument."""

from typing import Final

import msgspec

LINE_LIMIT_BYTES: Final = 4096
"""Room for a tree path of the longest kind and the command before it."""

_TELNET: Final = bytes([0xFF, 0xF4, 0xF2])  # IAC, IP, DM: what RFC 959 clients send before ABOR

WEB_COMMANDS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS"})
"""A browser that was sent here to smuggle FTP commands in a web request speaks one of these first (ALPACA)."""


class Line(msgspec.Struct, frozen=True):
    """A command in capitals and its argument, as the client wrote it; bytes that are not UTF-8 are lone surrogates."""

    command: str
    argument: str


def read_latin1(line: Line) -> Line:
    """The same line from a client whose names are Latin-1: every byte is a character, so no two names become one."""
    return Line(line.command, line.argument.encode("utf-8", "surrogateescape").decode("latin-1"))


def read_line(data: bytes) -> Line:
    """The command in a line without its LF; only ASCII has capitals here: `ſTOR` is no STOR."""
    text = data.lstrip(_TELNET).removesuffix(b"\r").decode("utf-8", "surrogateescape")
    command, _, argument = text.partition(" ")
    return Line(command.upper() if command.isascii() else command, argument)
