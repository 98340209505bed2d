"""What a replicator says at GET /backlog: what it knows that each of its peers still lacks."""

import msgspec


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """What one peer is owed: changes that it has not said that it holds.

    `oldest_s` is the age of the oldest of these changes, None when nothing is owed or nobody knows when it was made.
    `paths` are the first of them, as many as were asked for.
    """

    peer: str
    connected: bool
    entries: int = 0
    size_bytes: int = 0
    oldest_s: float | None = None
    paths: tuple[str, ...] = ()


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What one node owes its peers."""

    node: str
    peers: tuple[Owed, ...]
