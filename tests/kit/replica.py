"""A replica on a temporary disk, without peers; and peers that do as the test says."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from cluster.content_id import content_id_of
from replicator.core.copies import PeerView
from replicator.core.head import Dot, Head, Kind
from replicator.disk.marker import Mark, Marker
from replicator.disk.staging import Held, Staging
from replicator.disk.tree import Tree
from replicator.index.index import Index, PeerFacts
from replicator.index.writer import IndexWriter
from replicator.replica import Replica

REMOTE = "there:1"


class OpenReplica:
    """Use as an async context manager: a started replica over `folder`, as its last run left it."""

    def __init__(
        self, folder: Path, tree: Callable[[Path], Tree] = Tree, imported: bool = True, node: str = "here"
    ) -> None:
        self.folder = folder
        self.root = folder / "root"
        self._tree = tree
        self._imported = imported
        self._node = node

    async def __aenter__(self) -> Replica:
        self.root.mkdir(exist_ok=True)
        index = Index(IndexWriter(self.folder / "index.sqlite3"), self._node, "1")
        if index.is_new and self._imported:
            index.note(type(index.facts)(incarnation="1", marked=True, imported=True, joined=True))
        marker = Marker(self.root, Mark(cluster="test", node=self._node, incarnation="1"))
        marker.claim(known=not index.is_new)
        tree = self._tree(self.root)
        tree.prepare()
        self.replica = Replica(index, tree, marker, Staging(tree.staging))
        self.replica.staging.start()
        return self.replica

    async def __aexit__(self, *_: object) -> None:
        self.replica.close()
        self.replica.index.close()


def remote_head(content: bytes | None, sequence: int = 1, stamp_ns: int = 10**18, saw=None, kind=None, mtime_ns=10**15):
    """A head made on another node, which saw its own earlier ones: a file with this content, or a tombstone."""
    earlier = {REMOTE: sequence - 1} if sequence > 1 else {}
    dot = Dot(REMOTE, sequence)
    kind = kind or (Kind.TOMBSTONE if content is None else Kind.FILE)
    is_file = kind is Kind.FILE
    return Head(
        dot=dot,
        vector=earlier | dict(saw or {}),
        stamp_ns=stamp_ns,
        kind=kind,
        content_id=content_id_of(content) if is_file else "",
        size_bytes=len(content) if is_file else 0,
        mtime_ns=mtime_ns if is_file else 0,
    )


def hold(replica: Replica, content: bytes) -> None:
    """Put content into staging, as a peer's prepare does."""
    content_id = content_id_of(content)
    file = replica.staging.new_file(content_id)
    file.write_bytes(content)
    replica.staging.add(Held(content_id, file))


class FakeLink:
    """A peer that prepares and commits, fails, or never answers, as told."""

    def __init__(self, name: str, prepare: Exception | str = "ok", commit: Exception | str = "ok", leased=True) -> None:
        self.name = name
        self.facts = PeerFacts()
        self.leased = leased
        self.prepared = []
        self.committed = []
        self.asked = 0
        self._prepare, self._commit = prepare, commit

    def view(self, _now_s: float) -> PeerView:
        return PeerView(name=self.name, connected=self.leased, heard_ago_s=0.0, suspect=False)

    def announce(self) -> None:
        pass

    async def prepare(self, path, offer, timeout_s):
        await _behave(self._prepare, timeout_s)
        self.prepared.append((path, offer.file.read_bytes() if offer else None))

    async def prepare_small(self, files, timeout_s):
        await _behave(self._prepare, timeout_s)
        self.asked += 1
        self.prepared += [(file.path, file.data) for file in files]

    async def commit(self, entries, timeout_s):
        await _behave(self._commit, timeout_s)
        self.committed += [entry.path for entry in entries]


async def _behave(how: Exception | str, timeout_s: float) -> None:
    if isinstance(how, Exception):
        raise how
    if how == "silent":
        await asyncio.wait_for(asyncio.Event().wait(), timeout_s)
