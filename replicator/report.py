"""What a replicator says about itself: its health document and its list of conflicts."""

import msgspec


class ListedConflict(msgspec.Struct, frozen=True, kw_only=True):
    """Content that lost on `path`, written on `node` at `stamp_ns`; `file` under the root has it, if this node does."""

    path: str
    node: str
    stamp_ns: int
    size_bytes: int
    content_id: str
    winner: str
    file: str = ""


class ConflictList(msgspec.Struct, frozen=True, kw_only=True):
    """Every conflict that this node knows of."""

    node: str
    conflicts: tuple[ListedConflict, ...]
