"""What a replicator says about itself: its health document and its list of conflicts."""

import msgspec

from cluster.tree_path import CONFLICTS
from replicator.core.head import winner
from replicator.index import Index


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


def list_conflicts(index: Index) -> ConflictList:
    """Every conflict that this index lists, by path and age."""
    listed = []
    for conflict in sorted(index.conflicts.values(), key=lambda conflict: (conflict.path, conflict.stamp_ns)):
        shown = winner(index.place(conflict.path).heads)
        listed.append(
            ListedConflict(
                path=conflict.path,
                node=conflict.node,
                stamp_ns=conflict.stamp_ns,
                size_bytes=conflict.size_bytes,
                content_id=conflict.content_id,
                winner=shown.dot.node if shown else "",
                file=f"{CONFLICTS}/{conflict.kept}" if conflict.kept else "",
            )
        )
    return ConflictList(node=index.node, conflicts=tuple(listed))
