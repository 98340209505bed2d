"""Digests of folders: equal on two nodes that know the same versions, whatever the order in which they learned them.

The digest of an entry is a hash of its path, the identities of its heads and their stamps; that of a folder is the sum
of its entries' (Bellare and Micciancio's AdHash, here against accidents, not against forgers: the peer is trusted that
far).
A sum needs no order and no sorting, and one pass over the index gives it for every folder at once.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from cluster.tree_path import parent, parents
from replicator.core.head import Heads

_SIZE_BYTES: Final = 16
_MODULUS: Final = 1 << 8 * _SIZE_BYTES


class Digests:
    """The digests of all folders of one index, as of a moment; folders that have nothing digest to zeros."""

    def __init__(self, before_ns: int) -> None:
        """Versions stamped from `before_ns` on are left out: news of them may be on its way."""
        self.before_ns = before_ns
        self._own: dict[str, int] = {}
        self._below: dict[str, int] = {}
        self._folders: dict[str, set[str]] = {}

    def add(self, path: str, heads: Heads) -> None:
        """Take in one path, once. What only tombstones tell of is left out: each node forgets them in its own time."""
        if not any(head.is_live for head in heads) or any(head.stamp_ns >= self.before_ns for head in heads):
            return
        digest, folder = _digest(path, heads), parent(path)
        self._own[folder] = (self._own.get(folder, 0) + digest) % _MODULUS
        above = ("", *parents(path))
        for one in above:
            if one not in self._below:
                self._folders.setdefault(parent(one), set()).add(one)
            self._below[one] = (self._below.get(one, 0) + digest) % _MODULUS

    def own(self, folder: str) -> bytes:
        """Of the folder's own entries."""
        return self._own.get(folder, 0).to_bytes(_SIZE_BYTES)

    def below(self, folder: str) -> bytes:
        """Of everything below it."""
        return self._below.get(folder, 0).to_bytes(_SIZE_BYTES)

    def folders(self, folders: Iterable[str]) -> list[str]:
        """The folders with anything below them that lie directly in one of these, in order."""
        return sorted(below for folder in folders for below in self._folders.get(folder, ()) if below)


def _digest(path: str, heads: Heads) -> int:
    identities = "\0".join(
        f"{head.dot.replica}\0{head.dot.sequence}\0{head.stamp_ns}\0{head.kind}\0{head.content_id}" for head in heads
    )
    return int.from_bytes(hashlib.blake2b(f"{path}\0{identities}".encode(), digest_size=_SIZE_BYTES).digest())
