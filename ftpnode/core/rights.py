"""Says which right each command needs. A command that is not here needs none beyond the login."""

from collections.abc import Collection
from typing import Final

from cluster.settings import Right

RIGHT_OF_COMMAND: Final = {
    "CWD": Right.READ,
    "XCWD": Right.READ,
    "CDUP": Right.READ,
    "XCUP": Right.READ,
    "LIST": Right.READ,
    "NLST": Right.READ,
    "MLSD": Right.READ,
    "MLST": Right.READ,
    "SIZE": Right.READ,
    "MDTM": Right.READ,
    "AVBL": Right.READ,
    "HASH": Right.READ,
    "XCRC": Right.READ,
    "XMD5": Right.READ,
    "XSHA256": Right.READ,
    "RETR": Right.READ,
    "STOR": Right.WRITE,
    "STOU": Right.WRITE,
    "APPE": Right.WRITE,
    "MFMT": Right.WRITE,
    "MFF": Right.WRITE,
    "MFCT": Right.WRITE,
    "DELE": Right.DELETE,
    "RMD": Right.DELETE,
    "XRMD": Right.DELETE,
    "RNFR": Right.RENAME,
    "RNTO": Right.RENAME,
    "MKD": Right.MAKE_DIRECTORY,
    "XMKD": Right.MAKE_DIRECTORY,
}


def may_do(command: str, rights: Collection[Right]) -> bool:
    """Whether an account with these rights may give this command."""
    needed = RIGHT_OF_COMMAND.get(command)
    return needed is None or needed in rights
