"""Decides what FEAT says: what the balancer can carry and every node can do (RFC 2389)."""

from collections.abc import Iterable
from typing import Final

FEATURES: Final = (
    "AUTH TLS",
    "AVBL",
    "CLNT",
    "EPRT",
    "EPSV",
    "HASH SHA-256*;BLAKE3",
    "HOST",
    "MDTM",
    "MFF modify;",
    "MFMT",
    "MLST type*;size*;modify*;perm*;",
    "PBSZ",
    "PROT",
    "REST STREAM",
    "SIZE",
    "TVFS",
    "UTF8",
    "XCRC",
    "XMD5",
    "XSHA256",
)
"""What balancer and nodes of this version can do."""

_OWN: Final = frozenset({"AUTH", "CLNT", "EPRT", "EPSV", "HOST", "PBSZ", "PROT", "UTF8"})
"""What the balancer does itself, whatever a node can do."""


def common(of_nodes: Iterable[frozenset[str]]) -> tuple[str, ...]:
    """The features that every one of these nodes has, by their names in capitals; all where no node was asked."""
    lists = tuple(of_nodes)
    return tuple(line for line in FEATURES if _name(line) in _OWN or all(_name(line) in names for names in lists))


def names_in(lines: Iterable[str]) -> frozenset[str]:
    """The features that the lines of a FEAT reply name, in capitals."""
    return frozenset(_name(line.strip()) for line in lines if line.startswith(" "))


def without_foreign(lines: tuple[str, ...], features: tuple[str, ...]) -> tuple[str, ...]:
    """A node's own FEAT reply, less what the session could lose when it moves."""
    kept = {_name(line) for line in features}
    return tuple(line for line in lines if not line.startswith(" ") or _name(line.strip()) in kept)


def _name(line: str) -> str:
    return line.partition(" ")[0].upper()
