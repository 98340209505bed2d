"""Says what an account may do: which right each command needs, and which paths it is denied.

A command that is not in the table needs no right beyond the login.
"""

from collections.abc import Collection
from typing import Final

from msgspec.structs import replace

from cluster.settings import Right, Settings
from cluster.tree_path import is_below

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


def denial(command: str, *, read_only: bool) -> str:
    """The reply to a command that may not be given, at a node that is read-only or is not."""
    reads = RIGHT_OF_COMMAND.get(command) is Right.READ
    return "550 This node is read-only." if read_only and not reads else "550 Permission denied."


def settings_at(settings: Settings, node: str) -> Settings:
    """The settings as `node` goes by them: where it is read-only no account may do more than read."""
    if not settings.nodes[node].read_only:
        return settings
    accounts = {
        name: replace(account, rights=tuple(right for right in account.rights if right is Right.READ))
        for name, account in settings.accounts.items()
    }
    return replace(settings, accounts=accounts)


def is_denied(view: str, denied: Collection[str]) -> bool:
    """Whether a view path is one of the `denied` view paths or below one."""
    return any(view == path or is_below(view, path) for path in denied)


def holds_denied(view: str, denied: Collection[str]) -> bool:
    """Whether a denied view path lies below `view`; renaming that would bring it out under another name."""
    return any(is_below(path, view) for path in denied)
