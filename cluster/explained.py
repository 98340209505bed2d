"""What a replicator says at GET /explain: everything that it knows of one path."""

import msgspec


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version: the `sequence`-th change of `replica` (node:incarnation), made by `account` at `stamp_ns`.

    The account is empty where nobody knows: it was written past the cluster, or is a folder made for a file in it.
    `vector` says per replica up to which change its maker had seen.
    """

    node: str
    replica: str
    sequence: int
    stamp_ns: int
    kind: str
    account: str = ""
    content_id: str = ""
    size_bytes: int = 0
    mtime_ns: int = 0
    vector: dict[str, int] = {}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What this node's index takes to be on its disk; `as_recorded`: a look at the disk just now agreed."""

    kind: str
    content_id: str = ""
    size_bytes: int = 0
    mtime_ns: int = 0
    as_recorded: bool = True


class Loser(msgspec.Struct, frozen=True, kw_only=True):
    """Content that lost; `file` under the root has it, empty when another node does."""

    content_id: str
    node: str
    stamp_ns: int
    size_bytes: int
    file: str = ""


class Moment(msgspec.Struct, frozen=True, array_like=True):
    """What happened to the path on this node at `at_ns` by its clock, and to which version (its id is cut short)."""

    at_ns: int
    what: str
    node: str = ""
    sequence: int = 0
    kind: str = ""
    content_id: str = ""
    size_bytes: int = 0
    account: str = ""


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One path on one node: the versions that count (the one that is shown first) and why that one is shown.

    `holds`: the content of the shown version is on this disk. `told_holders` are the peers that have said that they
    hold all up to it. `waits` says what is still to do here and why it is not done; empty when nothing is.
    """

    node: str
    path: str
    versions: tuple[Version, ...] = ()
    why: tuple[str, ...] = ()
    here: Standing | None = None
    holds: bool = False
    told_holders: tuple[str, ...] = ()
    waits: str = ""
    losers: tuple[Loser, ...] = ()
    history: tuple[Moment, ...] = ()
