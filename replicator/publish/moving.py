"""Renames entries of the tree, on the disk and in the index; a crash in the middle is finished at the next start."""

from cluster.clock import now_ns
from cluster.publish import Rename
from replicator.core.head import Head, Kind, seen_by, winner
from replicator.core.place import Written
from replicator.index.index import Intent
from replicator.replica import Replica


async def move(replica: Replica, request: Rename, moved: list[str]) -> list[str]:
    """Rename what the request says: `moved`, folders first, locked by the caller. Returns the paths that changed."""
    source, target, account = request.source, request.target, request.account
    intents = [
        replica.index.intend(
            Intent(
                path=target + path[len(source) :],
                content_id=_content(replica, path),
                gone=path,
                now_ns=now_ns(),
                account=account,
            )
        )
        for path in moved
    ]
    saw = {path: seen_by(replica.index.place(path).heads) for path in (*moved, target)}
    told: dict[str, None] = {}
    await replica.index.durable()
    try:
        await replica.versions.keep(target, replica.index.place(target), _content(replica, source))
        await replica.blocking(replica.tree.rename, source, target)
        for path in moved:
            new = target + path[len(source) :]
            mode = _mode(winner(replica.index.place(path).heads))
            known = replica.index.place(path).row
            assert known is not None, "what moves stands on the disk"
            row = await replica.blocking(replica.tree.renamed, new, known)
            written = Written(row=row, mode=mode, now_ns=now_ns(), saw=saw.get(new), account=account)
            replica.index.feed(new, written)
            told[new] = None
            if known.kind is Kind.FILE:  # told with its new path, so that a peer moves its file as well
                replica.index.feed(path, Written(row=None, now_ns=now_ns(), saw=saw[path], account=account))
                told[path] = None
        for path in reversed([path for path in moved if path not in told]):
            replica.index.feed(path, Written(row=None, now_ns=now_ns(), saw=saw[path], account=account))
            told[path] = None
    finally:
        for number in intents:
            replica.index.forget(number)
    return list(told)


def _content(replica: Replica, path: str) -> str:
    row = replica.index.place(path).row
    return row.content_id if row else ""


def _mode(head: Head | None) -> int:
    return head.mode if head else 0
