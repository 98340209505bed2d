"""Chooses the FTP reply for what the publisher and the disk said (RFC 959 section 4.2; codes only, no host paths)."""

import errno
from typing import Final

from cluster.publish import Described, Done, Reason
from ftpnode.core.verdict import TRANSFER_COMPLETE, Ending

UNREACHABLE: Final = "451 The replicator does not answer; nothing is promised, try again."
INTERNAL: Final = "451 Internal error; try again."
NO_SUCH_FILE: Final = "550 No such file or directory."

_REFUSALS: Final = {
    Reason.TOO_FEW_COPIES: "451 Too few nodes could store it in time; nothing changed, try again.",
    Reason.DISK_FULL: "452 Not enough space on the disk; nothing changed.",
    Reason.OVER_QUOTA: "552 Over the quota of this account; nothing changed.",
    Reason.NOT_READY: "451 This node is not ready; nothing changed, try again.",
    Reason.NOT_FOUND: NO_SUCH_FILE,
    Reason.EXISTS: "550 There is already an entry of that name.",
    Reason.NOT_EMPTY: "550 The directory is not empty.",
    Reason.BAD_PATH: "553 This name is not allowed.",
    Reason.NAMESAKE: "553 An entry has this name but for letter case, Unicode form, or dots or spaces at its end.",
    Reason.CHANGED: "451 It changed meanwhile; nothing was done, try again.",
    Reason.READ_ONLY: "550 This node is read-only.",
    Reason.HELD_BACK: "550 Too many deletions for now; an operator must approve them.",
    Reason.IO_ERROR: "451 The disk failed; nothing is promised, try again.",
}

_DISK: Final = {
    errno.ENOENT: NO_SUCH_FILE,
    errno.ENOTDIR: "550 Not a directory.",
    errno.EISDIR: "550 Not a file.",
    errno.ELOOP: NO_SUCH_FILE,
    errno.ENXIO: NO_SUCH_FILE,
    errno.EACCES: "550 Permission denied.",
    errno.EPERM: "550 Permission denied.",
    errno.EEXIST: "550 There is already an entry of that name.",
    errno.ENAMETOOLONG: "553 This name is too long.",
    errno.ENOSPC: "452 Not enough space on the disk.",
    errno.EDQUOT: "452 Not enough space on the disk.",
    errno.EFBIG: "552 The file is too large.",
    errno.EMFILE: "450 Too many open files; try again.",
    errno.ENFILE: "450 Too many open files; try again.",
}


def published(done: Done) -> str:
    """The reply to an upload that is safe; it says on how many nodes.

    The text begins with "Transfer complete" because some clients look for it.
    """
    if done.degraded:
        return f"{TRANSFER_COMPLETE} ({done.copies} of {done.wanted} copies)"
    return f"{TRANSFER_COMPLETE} ({done.copies} {'copy' if done.copies == 1 else 'copies'})"


def described(found: Described) -> str:
    """The reply to SITE COPIES. The replicator counts the copies that it was told of, so there may be more."""
    return f"213 At least {found.copies} of {found.nodes} nodes hold BLAKE3 {found.content_id}."


def refused(reason: Reason) -> str:
    """The reply to a change that the publisher refused."""
    return _REFUSALS[reason]


def disk_trouble(errno_number: int | None) -> str:
    """The reply to a command that the disk refused with this errno."""
    return _DISK.get(errno_number or 0, "451 The disk failed; try again.")


def write_trouble(errno_number: int | None) -> Ending:
    """How an upload ends when writing it down failed with this errno."""
    match errno_number:
        case errno.ENOSPC | errno.EDQUOT:
            return Ending.DISK_FULL
        case errno.EFBIG:
            return Ending.TOO_LARGE
        case _:
            return Ending.DISK_ERROR
