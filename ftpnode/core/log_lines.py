"""Writes the lines of the classic logs: W3C extended as IIS writes it for FTP, and xferlog as wu-ftpd defined it.

Names are escaped, so that a file or user name can forge neither a line nor a field.
"""

import datetime
from typing import Final
from urllib.parse import quote_plus

import msgspec

_SAFE: Final = "/\\:@!$&'()*,;=~"
_FIELDS: Final = (
    "date time c-ip cs-username s-ip s-port cs-method cs-uri-stem sc-status sc-bytes cs-bytes time-taken x-session"
)


class CommandDone(msgspec.Struct, frozen=True, kw_only=True):
    """One command and its last reply; `argument` is "" where it is secret, `account` is "" before the login."""

    at: datetime.datetime
    client: str
    account: str
    server: str
    port: int
    command: str
    argument: str
    reply_code: str
    sent_bytes: int
    received_bytes: int
    seconds: float
    session: str


class TransferDone(msgspec.Struct, frozen=True, kw_only=True):
    """One upload or download; `path` is absolute in the tree, `service` is the door: `ftp` or `sftp`."""

    at: datetime.datetime
    seconds: float
    client: str
    moved_bytes: int
    path: str
    is_upload: bool
    account: str
    is_anonymous: bool
    is_complete: bool
    service: str = "ftp"


def w3c_header(at: datetime.datetime) -> str:
    """The lines that begin a W3C extended log."""
    return f"#Software: Tripod ftpnode\n#Version: 1.0\n#Date: {at:%Y-%m-%d %H:%M:%S}\n#Fields: {_FIELDS}\n"


def w3c_line(done: CommandDone) -> str:
    """One command; the time is UTC, time-taken is milliseconds, a space in a name is `+`, what is unsafe is %XX."""
    fields = (
        f"{done.at:%Y-%m-%d %H:%M:%S}",
        done.client,
        _escaped(done.account),
        done.server,
        str(done.port),
        _escaped(done.command),
        _escaped(done.argument),
        done.reply_code,
        str(done.sent_bytes),
        str(done.received_bytes),
        str(round(done.seconds * 1000)),
        _escaped(done.session),
    )
    return " ".join(fields) + "\n"


def xferlog_line(done: TransferDone) -> str:
    """One transfer; white space and control characters in a name are `_`, as in the servers that made the format."""
    fields = (
        f"{done.at:%a %b} {done.at.day:2} {done.at:%H:%M:%S %Y}",
        str(round(done.seconds)),
        done.client,
        str(done.moved_bytes),
        _underscored(done.path),
        "b",
        "_",
        "i" if done.is_upload else "o",
        "a" if done.is_anonymous else "r",
        _underscored(done.account),
        done.service,
        "0",
        "*",
        "c" if done.is_complete else "i",
    )
    return " ".join(fields) + "\n"


def _escaped(text: str) -> str:
    return quote_plus(text, safe=_SAFE, errors="surrogateescape") or "-"


def _underscored(text: str) -> str:
    return "".join(character if character.isprintable() and character != " " else "_" for character in text) or "-"
