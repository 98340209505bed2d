"""Renames entries of the tree, on the disk and in the index; a crash in the middle is finished at the next start."""

from collections.abc import Callable, Mapping

import msgspec

from cluster.clock import now_ns
from cluster.publish import Rename
from replicator.core.head import Head, Heads, Kind, Vector, seen_by, winner
from replicator.core.place import Row, Written
from replicator.disk.second_names import expect_change
from replicator.index.intent import Intent
from replicator.replica import Replica


async def move(
    replica: Replica,
    request: Rename,
    moved: list[str],
    asked: Mapping[str, Heads],
    on_moved: Callable[[str, str], None],
) -> list[str]:
    """Rename what the request says: `moved`, folders first, locked by the caller. Returns the paths that changed.

    `asked` are the heads that were known when the client asked. What lost on a path and came to be known since then,
    nobody has seen here: it is not superseded. `on_moved` hears the old and the new name before any peer can.
    """
    source, target, account = request.source, request.target, request.account
    intents = [
        replica.index.intend(
            Intent(
                path=target + path[len(source) :],
                content_id=_content(replica, path),
                gone=path,
                now_ns=now_ns(),
                account=account,
                known=_known(replica, path, source),
            )
        )
        for path in moved
    ]
    saw = {path: _saw(replica, path, asked) for path in (*moved, target)}
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
            on_moved(path, new)
            told[new] = None
            if known.kind is Kind.FILE:  # told with its new path, so that a peer moves its file as well
                replica.index.feed(path, Written(row=None, now_ns=now_ns(), saw=saw[path], account=account))
                told[path] = None
        for path in reversed([path for path in moved if path not in told]):
            replica.index.feed(path, Written(row=None, now_ns=now_ns(), saw=saw[path], account=account))
            told[path] = None
    except OSError:
        for number in intents:
            intent = msgspec.structs.replace(replica.index.intents[number], gone="")  # that, an event tells
            replica.doubt(intent.path, replica.index.intend(intent))
        raise
    finally:
        for number in intents:
            replica.index.forget(number)
    return list(told)


def _saw(replica: Replica, path: str, asked: Mapping[str, Heads]) -> Vector:
    """What the client had seen of a path, and what stands there when it is moved or replaced."""
    content_id, now = _content(replica, path), replica.index.place(path).heads
    here = (head for head in now if head.kind is not Kind.FILE or head.content_id == content_id)
    return seen_by((*asked.get(path, now), *here))


def _content(replica: Replica, path: str) -> str:
    row = replica.index.place(path).row
    return row.content_id if row else ""


def _known(replica: Replica, path: str, source: str) -> Row | None:
    """What stat will say of a file under its new name. One that lies in a folder which is renamed is left as it is."""
    row = replica.index.place(path).row
    if row is None or row.kind is not Kind.FILE:
        return None
    return expect_change(replica.index, path, row) if path == source else row


def _mode(head: Head | None) -> int:
    return head.mode if head else 0
