"""One replicator as a program: its addresses, and the order in which it starts and stops."""

import asyncio
import functools
import secrets
from typing import Final

from cluster.durable_file import make_folders_durably
from cluster.log import logger
from cluster.management import Management
from cluster.settings import Settings
from replicator.engine import Engine
from replicator.index.index import Index
from replicator.index.writer import IndexWriter
from replicator.operators.requests import Operators
from replicator.peers.connection import client_tls, server_tls
from replicator.peers.link import tls_dialler
from replicator.publish.publish_socket import PublishSocket
from replicator.watching.watch import Watch

INDEX_NAME: Final = "index.sqlite3"

log = logger(__name__)


class Service:
    """One replicator. Everything in it is used by the control thread (the event loop) alone."""

    def __init__(self, settings: Settings, node: str, token: str) -> None:
        """OSError or sqlite3.Error when the root or the state folder cannot be used."""
        mine = settings.nodes[node]
        client, server = client_tls(settings.cluster, mine), server_tls(settings.cluster, mine)
        make_folders_durably(mine.root)
        make_folders_durably(mine.state, mode=0o700)
        self._node, self._mine = node, mine
        self._index = Index(IndexWriter(mine.state / INDEX_NAME), node, secrets.token_hex(8))
        engine = Engine(settings, node, self._index, Watch(mine.root), tls_dialler(client))
        engine.listen = functools.partial(engine.door.start, mine.replicator_host, mine.peer_port, server)
        self._engine = engine
        self._socket = PublishSocket(engine.publishing.answer)
        operators = Operators(engine)
        self._management = Management(
            health=engine.condition.health,
            registry=engine.measures.registry,
            token=token,
            documents=operators.documents,
            actions=operators.actions,
            lookups={**engine.lookups.all, **operators.lookups},
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. OSError when an address cannot be bound."""
        mine = self._mine
        try:
            await self._management.start(mine.replicator_host, mine.replicator_management_port)
            await self._socket.start(mine.state)
            log.info("started", node=self._node, incarnation=self._index.incarnation, paths=len(self._index.places))
            async with asyncio.TaskGroup() as tasks:
                work = tasks.create_task(self._engine.work())
                await stop.wait()
                await self._socket.stop()
                for link in self._engine.mesh.links:
                    link.ending = True
                work.cancel()
        finally:
            await self._close()

    async def _close(self) -> None:
        await self._socket.stop()
        await self._management.stop()
        await self._engine.close()
        log.info("stopped", node=self._node)
