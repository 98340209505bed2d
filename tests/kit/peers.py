"""Some replicas in one process that hold links to one another, over socket pairs; what each sends is kept."""

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from cluster.replication_settings import Replication
from replicator.disk.tree import Tree
from replicator.peers.connection import Connection
from replicator.peers.door import PeerDoor
from replicator.peers.link import PeerLink, PeerSite
from replicator.peers.wire import encode
from replicator.transfers.fetching import Fetching
from tests.kit.replica import OpenReplica
from tests.kit.wait import PATIENCE_S

QUICK = Replication(prepare_timeout_s=2.0, reconnect_s=0.05, lease_s=1.0, disk_reserve_bytes=0, inline_bytes=10)


class End(Connection):
    """One end: it knows who is at the other one without a certificate, and its owner may spoil what it sends."""

    def __init__(self, stream, owner: "Peer", there: str) -> None:
        super().__init__(*stream)
        self._owner, self._there = owner, there

    def names(self):
        return frozenset((self._there,))

    async def send(self, message):
        message = self._owner.spoil(self, message)
        self._owner.sent.append(message)
        await super().send(message)


class Peer:
    """One replica with its door and its links."""

    def __init__(self, name: str, replica, settings: Replication, names) -> None:
        self.name, self.replica = name, replica
        self.sent = []
        self.spoil = lambda _end, message: message
        self.door = PeerDoor("test", name, frozenset(names) - {name}, replica, settings)
        self.links: dict[str, PeerLink] = {}
        self.fetching: Fetching

    @property
    def root(self) -> Path:
        return self.replica.tree.root

    def sent_bytes(self) -> int:
        """What it has sent so far, in frames."""
        return sum(len(encode(message)) for message in self.sent)

    async def write(self, path: str, content: bytes):
        """Somebody writes this file here, and the replica looks; its head."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        await self.replica.rescan(path)
        return self.replica.index.place(path).heads[0]


@asynccontextmanager
async def peers(folder: Path, *names: str, settings: Replication = QUICK):
    """Yields the peers by name, every link connected."""
    found: dict[str, Peer] = {}
    stacks = []
    running = []

    async def dial(site: PeerSite) -> Connection:
        mine, theirs = socket.socketpair()
        here, there = found[site.node], found[site.peer]
        end = End(await asyncio.open_connection(sock=theirs), there, site.node)
        running.append(asyncio.create_task(there.door.answer(end)))
        return End(await asyncio.open_connection(sock=mine), here, site.peer)

    try:
        for name in names:
            (folder / name).mkdir()
            stacks.append(OpenReplica(folder / name, lambda root: Tree(root, settings.modes), node=name))
            found[name] = Peer(name, await stacks[-1].__aenter__(), settings, names)
        for peer in found.values():
            changed = []
            for other in sorted(set(names) - {peer.name}):
                site = PeerSite("test", peer.name, "", other, "", 0)
                link = peer.links[other] = PeerLink(site, peer.replica.index, dial, settings)
                connected = asyncio.Event()
                link.on_change = connected.set
                changed.append(connected)
                running.append(asyncio.create_task(link.run()))
            for connected in changed:
                await asyncio.wait_for(connected.wait(), PATIENCE_S)
            peer.fetching = Fetching(tuple(peer.links.values()), peer.replica, peer.door.outlines, settings)
            peer.replica.fetch, peer.replica.build = peer.fetching.fetch, peer.fetching.build
        yield found
    finally:
        for task in running:
            task.cancel()
        for task in running:
            with suppress(asyncio.CancelledError, Exception):
                await task
        for peer in found.values():
            await peer.door.stop()
        for stack in stacks:
            await stack.__aexit__()
