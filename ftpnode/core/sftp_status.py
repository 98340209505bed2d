"""Chooses the SFTP status for what the publisher and the disk said (draft-ietf-secsh-filexfer-02 section 7).

The texts are those of the FTP replies; version 3 of SFTP has fewer numbers than FTP, so most refusals are a FAILURE.
"""

import errno
from enum import IntEnum
from typing import Final

import msgspec

from cluster.publish import Reason
from ftpnode.core import replies


class Status(IntEnum):
    """The numbers of the draft that we send."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    OP_UNSUPPORTED = 8


class Refusal(msgspec.Struct, frozen=True):
    """A status and one line for a person."""

    status: Status
    text: str


_REFUSALS: Final = {
    Reason.TOO_FEW_COPIES: Status.FAILURE,
    Reason.DISK_FULL: Status.FAILURE,
    Reason.OVER_QUOTA: Status.FAILURE,
    Reason.NOT_READY: Status.FAILURE,
    Reason.NOT_FOUND: Status.NO_SUCH_FILE,
    Reason.EXISTS: Status.FAILURE,
    Reason.NOT_EMPTY: Status.FAILURE,
    Reason.BAD_PATH: Status.FAILURE,
    Reason.NAMESAKE: Status.FAILURE,
    Reason.CHANGED: Status.FAILURE,
    Reason.HELD_BACK: Status.FAILURE,
    Reason.READ_ONLY: Status.PERMISSION_DENIED,
    Reason.IO_ERROR: Status.FAILURE,
}

_DISK: Final = {
    errno.ENOENT: Status.NO_SUCH_FILE,
    errno.ENOTDIR: Status.NO_SUCH_FILE,
    errno.ELOOP: Status.NO_SUCH_FILE,
    errno.ENXIO: Status.NO_SUCH_FILE,
    errno.EACCES: Status.PERMISSION_DENIED,
    errno.EPERM: Status.PERMISSION_DENIED,
}


def denied() -> Refusal:
    """The answer to what the account has no right to do."""
    return Refusal(Status.PERMISSION_DENIED, "Permission denied.")


def refused(reason: Reason) -> Refusal:
    """The answer to a change that the publisher refused."""
    return Refusal(_REFUSALS[reason], without_code(replies.refused(reason)))


def disk_trouble(errno_number: int | None) -> Refusal:
    """The answer to a request that the disk refused with this errno."""
    status = _DISK.get(errno_number or 0, Status.FAILURE)
    return Refusal(status, without_code(replies.disk_trouble(errno_number)))


def failure(reply: str) -> Refusal:
    """A failure with the text of an FTP reply."""
    return Refusal(Status.FAILURE, without_code(reply))


def without_code(reply: str) -> str:
    """The text of an FTP reply."""
    return reply[4:]
