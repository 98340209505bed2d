"""What a replicator tells of what stands in its root and travels badly, or not at all."""

import os

import msgspec


class OddEntry(msgspec.Struct, frozen=True):
    """An entry that is not replicated, and why, in a few words; `path` is printable, so it may not be the real name."""

    path: str
    why: str


class Oddities(msgspec.Struct, frozen=True, kw_only=True):
    """The first of them, and how many there are.

    `namesakes` are groups of paths that differ by case, Unicode form or what ends a name alone: all of them are kept
    and replicated, but where names are compared as on Windows they are one. `entries` are as of the last scan.
    """

    node: str
    namesakes: tuple[tuple[str, ...], ...] = ()
    namesake_count: int = 0
    entries: tuple[OddEntry, ...] = ()
    entry_count: int = 0


def printable(path: str) -> str:
    """A path as it can be shown: bytes that are not UTF-8, and what does not print, as escapes."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
