"""What a replicator lists of content that no path shows: conflicts, and versions that are kept."""

from cluster.content_id import content_id_of
from cluster.kept import ConflictList, KeptVersion, KeptVersions, ListedConflict
from cluster.tree_path import CONFLICTS
from replicator.core.head import winner
from replicator.disk.versions import Versions
from replicator.index.index import Conflict, Index

_ID_DIGITS = 12


def conflict_id(conflict: Conflict) -> str:
    """Its name, the same on every node."""
    return content_id_of(f"{conflict.path}\0{conflict.content_id}".encode())[:_ID_DIGITS]


def list_conflicts(index: Index) -> ConflictList:
    """Every conflict that this index lists, by path and age."""
    listed = []
    for conflict in sorted(index.open_conflicts(), key=lambda conflict: (conflict.path, conflict.stamp_ns)):
        shown = winner(index.place(conflict.path).heads)
        listed.append(
            ListedConflict(
                id=conflict_id(conflict),
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


def list_versions(index: Index, versions: Versions, path: str) -> KeptVersions:
    """What is kept of a path."""
    shown = winner(index.place(path).heads)
    kept = tuple(
        KeptVersion(
            content_id=one.content_id,
            size_bytes=one.size_bytes,
            mtime_ns=one.mtime_ns,
            made_ns=one.made_ns,
            gone_ns=one.gone_ns,
            deleted=one.deleted,
        )
        for one in versions.of(path)
    )
    return KeptVersions(path=path, shown=shown.content_id if shown else "", versions=kept)
