"""Finds the path in a command's argument: options, a time or a fact may stand before it."""

from typing import Final

from ftpnode.core.digests import OLD_COMMANDS, unquoted
from ftpnode.core.listing import path_argument, read_timestamp

_WHOLE: Final = frozenset(
    {
        *("CWD", "XCWD", "MKD", "XMKD", "RMD", "XRMD", "DELE", "RNFR", "RNTO"),
        *("RETR", "STOR", "APPE", "STOU", "SIZE", "MLST", "MLSD", "AVBL", "HASH"),
    }
)
_BEHIND_A_WORD: Final = frozenset({"MFMT", "MFF", "MFCT"})


def split_argument(command: str, argument: str) -> tuple[str, str]:
    """What stands before the path, and the path; the path is "" where the command has none."""
    word, _, rest = argument.partition(" ")
    if command == "SITE":
        return (f"{word} ", rest) if word.upper() == "COPIES" else (argument, "")
    if command in _BEHIND_A_WORD or (command == "MDTM" and rest and read_timestamp(word) is not None):
        return f"{word} ", rest
    if command in {"LIST", "NLST"}:
        path = path_argument(argument)
        return argument.removesuffix(path), path
    if command in OLD_COMMANDS:
        return "", unquoted(argument)
    if command in _WHOLE or command == "MDTM":
        return "", argument
    return argument, ""
