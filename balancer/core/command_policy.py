"""Decides which commands an account may say: what its clients never need is refused before it reaches a node."""

from collections.abc import Mapping
from typing import Final

from cluster.balancer_settings import CommandSet

_LOOKING: Final = frozenset({
    "AVBL", "CDUP", "CWD", "LIST", "MDTM", "MLSD", "MLST", "NLST", "OPTS", "PWD", "SIZE", "STAT",
})  # fmt: skip
_CHECKING: Final = frozenset({"HASH", "XCRC", "XMD5", "XSHA256"})

ALWAYS: Final = frozenset({
    "ABOR", "ALLO", "AUTH", "CCC", "CLNT", "EPRT", "EPSV", "FEAT", "HELP", "HOST", "MODE", "NOOP", "PASS", "PASV",
    "PBSZ", "PORT", "PROT", "QUIT", "REIN", "REST", "STRU", "SYST", "TYPE", "USER",
})  # fmt: skip
"""Change and show nothing of the tree; a client cannot do without."""

SETS: Final[Mapping[str, frozenset[str]]] = {
    "upload": _LOOKING | _CHECKING | {"APPE", "COMB", "MFCT", "MFF", "MFMT", "MKD", "RNFR", "RNTO", "STOR", "STOU"},
    "download": _LOOKING | _CHECKING | {"RETR"},
}
"""`upload`: looks, stores, renames what it stored, verifies, but takes nothing away. `download`: looks and takes."""


def is_allowed(verb: str, commands: CommandSet) -> bool:
    """Whether an account with these `commands` may say `verb` (upper case, no alias)."""
    if verb in ALWAYS or commands == "all":
        return True
    return verb in (SETS[commands] if isinstance(commands, str) else commands)
