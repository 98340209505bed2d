"""What a replicator tells of content that no path shows any more: kept versions, and what lost in conflicts."""

import msgspec


class KeptVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Content that a path showed until `gone_ns`, when it was replaced or `deleted`; kept until it is too old."""

    content_id: str
    size_bytes: int
    mtime_ns: int
    made_ns: int
    gone_ns: int
    deleted: bool


class KeptVersions(msgspec.Struct, frozen=True, kw_only=True):
    """The versions of `path` that one node keeps, newest first; `shown` is the content that the path has now."""

    path: str
    shown: str
    versions: tuple[KeptVersion, ...]


class ListedConflict(msgspec.Struct, frozen=True, kw_only=True):
    """Content that lost on `path`, written on `node` at `stamp_ns`; `file` under the root has it, if this node does.

    `id` names it, the same on every node.
    """

    id: str
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


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """Kept content is a new version of `path` now, durable on `copies` nodes of the `wanted`."""

    path: str
    content_id: str
    copies: int
    wanted: int
