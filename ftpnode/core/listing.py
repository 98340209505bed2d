"""Writes directory listings: LIST like `ls -l`, NLST names alone, MLSD and MLST facts (RFC 3659 section 7)."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

import msgspec

from cluster.publish import Copies
from cluster.settings import Right

FACTS: Final = ("type", "size", "modify", "perm")
"""What every listing tells unless OPTS MLST says otherwise."""

ASKED_FACTS: Final = ("unique", "x.copies")
"""What costs a question to the replicator: told of files, where the client has asked for it by OPTS MLST."""

_HALF_YEAR_S: Final = 180 * 86400
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Entry(msgspec.Struct, frozen=True):
    """One file or directory as a listing shows it."""

    name: str
    is_directory: bool
    size_bytes: int
    mtime_s: float


def path_argument(argument: str) -> str:
    """The path in the argument of LIST or NLST: `-la /path` has options that clients write as if we were /bin/ls."""
    while argument.startswith("-"):
        argument = argument.partition(" ")[2].lstrip()
    return argument


def long_line(entry: Entry, now_s: float) -> str:
    """One line of LIST; owners are not told, times are UTC."""
    kind = "drwxr-xr-x" if entry.is_directory else "-rw-r--r--"
    return f"{kind}   1 ftp      ftp      {entry.size_bytes:>12} {_long_time(entry.mtime_s, now_s)} {entry.name}\r\n"


def msdos_line(entry: Entry) -> str:
    """One line of LIST as IIS writes it by default; times are UTC."""
    when = datetime.fromtimestamp(_sane(entry.mtime_s), UTC)
    size = "<DIR>         " if entry.is_directory else f"{entry.size_bytes:>14}"
    half = "AM" if when.hour < 12 else "PM"
    return f"{when:%m-%d-%y}  {when.hour % 12 or 12:02}:{when:%M}{half}       {size} {entry.name}\r\n"


def facts_line(entry: Entry, facts: Collection[str], rights: Collection[Right], known: Copies | None = None) -> str:
    """One line of MLSD or MLST, without a line end. `unique` is the content id: alike files are told to be one."""
    values = {
        "type": "dir" if entry.is_directory else "file",
        "size": str(entry.size_bytes),
        "modify": timestamp(entry.mtime_s),
        "perm": _permissions(rights, is_directory=entry.is_directory),
    }
    if known is not None:
        values |= {"unique": known.content_id, "x.copies": str(known.copies)}
    return "".join(f"{fact}={value};" for fact, value in values.items() if fact in facts) + f" {entry.name}"


def timestamp(moment_s: float) -> str:
    """A moment as RFC 3659 writes it: YYYYMMDDHHMMSS in UTC."""
    return f"{datetime.fromtimestamp(_sane(moment_s), UTC):%Y%m%d%H%M%S}"


def read_timestamp(text: str) -> float | None:
    """The moment (seconds since the epoch) that `YYYYMMDDHHMMSS[.fraction]` means; None if it is none."""
    digits = text.partition(".")[0]
    if len(digits) != 14 or not digits.isascii() or not digits.isdigit():
        return None
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _long_time(mtime_s: float, now_s: float) -> str:
    when = datetime.fromtimestamp(_sane(mtime_s), UTC)
    day = f"{_MONTHS[when.month - 1]} {when.day:02}"
    recent = 0 <= now_s - mtime_s < _HALF_YEAR_S
    return f"{day} {when:%H:%M}" if recent else f"{day}  {when.year:04}"


def _sane(moment_s: float) -> float:
    """A moment that a date can be made of: a disk may hold any number."""
    return min(max(moment_s, 0.0), 253_402_300_799.0)


def _permissions(rights: Collection[Right], *, is_directory: bool) -> str:
    """The perm fact (RFC 3659 section 7.5.5)."""
    letters = (
        {Right.READ: "el", Right.WRITE: "c", Right.DELETE: "dp", Right.RENAME: "f", Right.MAKE_DIRECTORY: "m"}
        if is_directory
        else {Right.READ: "r", Right.WRITE: "aw", Right.DELETE: "d", Right.RENAME: "f"}
    )
    return "".join(letter for right, letter in letters.items() if right in rights)
