"""What a replicator tells of deletions that it holds back, and what it answers to an operator's decision."""

import msgspec


class ListedDelete(msgspec.Struct, frozen=True, kw_only=True):
    """A deletion held back since `at_ns`: found on the node's disk, or told by `peer`."""

    path: str
    at_ns: int
    peer: str = ""


class HeldList(msgspec.Struct, frozen=True, kw_only=True):
    """How many deletions a node holds back, how many of them it found on its own disk, and the first by path."""

    count: int
    found: int
    deletes: tuple[ListedDelete, ...]


class Decided(msgspec.Struct, frozen=True):
    """How many entries an action was about."""

    count: int
