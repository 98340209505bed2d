"""Explains one path: its versions and why one is shown, what stands on this disk, what waits, what happened."""

from collections.abc import Iterable, Mapping

from cluster.explained import Explained, Loser, Standing, Version
from cluster.tree_path import CONFLICTS
from replicator.core.head import Head, winner
from replicator.core.place import Clear, Install, MakeFolder, Place, PutAway, Rest, Touch, plan
from replicator.core.reasons import reasons
from replicator.index.index import Conflict
from replicator.not_yet import NotYetError
from replicator.peers.link import PeerLink
from replicator.replica import Replica

_TO_DO = {
    Install: "its content is still to be fetched and put in place",
    MakeFolder: "the directory is still to be made",
    Touch: "its time is still to be set",
    Clear: "it is still to be removed here",
    PutAway: "somebody put it onto this read-only node; it is still to be put away",
}


async def explain(replica: Replica, links: Iterable[PeerLink], trouble: Mapping[str, str], path: str) -> Explained:
    """Everything that this node knows of `path`; sqlite3.Error passes. `trouble` says what keeps paths waiting."""
    index = replica.index
    place = index.place(path)
    await index.durable()
    history = await replica.blocking(index.history, path)
    shown = winner(place.heads)
    heads = sorted(place.heads, key=lambda head: (head is not shown, -head.stamp_ns))
    return Explained(
        node=index.node,
        path=path,
        versions=tuple(_version(head) for head in heads),
        why=reasons(place.heads),
        here=await _standing(replica, path, place),
        holds=shown is not None and shown.is_live and isinstance(plan(place), Rest),
        told_holders=tuple(link.name for link in links if place.announced and link.facts.acked >= place.announced),
        waits=_waits(place, trouble.get(path, "")),
        losers=tuple(_loser(lost) for lost in index.open_conflicts() if lost.path == path),
        history=history,
    )


async def _standing(replica: Replica, path: str, place: Place) -> Standing | None:
    row = place.row
    if row is None:
        return None
    try:
        as_recorded = await replica.is_as_recorded(path)
    except (NotYetError, OSError):
        as_recorded = False
    return Standing(kind=row.kind.value, content_id=row.content_id, size_bytes=row.size_bytes, mtime_ns=row.mtime_ns,
                    as_recorded=as_recorded)  # fmt: skip


def _waits(place: Place, why: str) -> str:
    to_do = _TO_DO.get(type(plan(place)), "")
    return f"{to_do}: {why or 'it has its turn soon'}" if to_do else ""


def _version(head: Head) -> Version:
    return Version(
        node=head.dot.node,
        replica=head.dot.replica,
        sequence=head.dot.sequence,
        stamp_ns=head.stamp_ns,
        kind=head.kind.value,
        account=head.account,
        content_id=head.content_id,
        size_bytes=head.size_bytes,
        mtime_ns=head.mtime_ns,
        vector=head.vector,
    )


def _loser(lost: Conflict) -> Loser:
    return Loser(
        content_id=lost.content_id,
        node=lost.node,
        stamp_ns=lost.stamp_ns,
        size_bytes=lost.size_bytes,
        file=f"{CONFLICTS}/{lost.kept}" if lost.kept else "",
    )
