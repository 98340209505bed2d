"""A fake node for tests of the balancer: an FTP server on asyncio over a tree in memory, failing where it is told to.

Several fake nodes over one `Tree` are a cluster with perfect replication. `fault` names a moment, such as "RETR half",
at which the node does what `fault_kind` says, once: "die" (all its connections are reset and it listens no more),
"lose" (this control connection only), "freeze" (as SIGSTOP: connections and bytes are taken, nothing is answered),
"vanish" (as a power cut: no packet comes from it any more, so nothing is even taken), or a reply such as "451 no".
"""

import asyncio
import contextlib

import prometheus_client

from balancer.core.features import FEATURES
from cluster.health import FtpnodeHealth, NodeState
from cluster.live import Ban, Bans
from cluster.management import Management
from cluster.proxy_header import ProxyHeader
from tests.kit.deaf_address import DeafAddress
from tests.kit.fake_session import FakeSession, reset
from tests.kit.fake_tree import Tree
from tests.kit.listener import Listener


class FakeNode:
    """One fake node."""

    def __init__(self, name: str, tree: Tree, address: str, *, site: str = "ingest", key: bytes = b"") -> None:
        self.name = name
        self.tree = tree
        self.address = address
        self.site = site
        self.key = key
        self.password = "secret"
        self.features = FEATURES
        self.banned: set[str] = set()
        self.knows_canaries = True
        self.unheard: set[str] = set()  # the nodes whose canaries do not come here
        self.accounts = {"station", "lansurvey"}
        self.state = NodeState.READY
        self.says: dict[str, float | None] = {}  # in its health document, besides
        self.fault = ""
        self.fault_kind = "die"
        self.others: list[FakeNode] = []
        self.commands: list[str] = []
        self.headers: list[ProxyHeader] = []
        self.endings: list[str] = []
        self.logins = 0
        self.sessions: set[FakeSession] = set()
        self.frozen = False
        self._deaf: DeafAddress | None = None
        self._listener: Listener | None = None
        self._management: Management | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.has_read = asyncio.Event()

    async def start(self, port: int, management_port: int, token: str = "") -> None:
        self._listener = Listener(self.address, port, self._serve)
        health = lambda: FtpnodeHealth(node=self.name, state=self.state, **self.says)  # type: ignore[arg-type]  # noqa: E731
        bans = lambda: Bans(bans=tuple(Ban(address, 60.0) for address in self.banned))  # noqa: E731
        self._management = Management(
            health=health, registry=prometheus_client.CollectorRegistry(), token=token, documents={"bans": bans}
        )
        await self._management.start(self.address, management_port)

    async def stop(self) -> None:
        self.die()
        if self._deaf is not None:
            self._deaf.close()
        if self._management is not None:
            await self._management.stop()
            self._management = None
        for _ in range(2):
            await _loop_goes_round()  # a connection just accepted gets its task, the transports close
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def die(self) -> None:
        """As SIGKILL: nobody listens any more, everything that is open is reset."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for session in tuple(self.sessions):
            session.reset()

    def freeze(self) -> None:
        """As SIGSTOP."""
        self.frozen = True

    def vanish(self) -> None:
        """As a power cut."""
        self.freeze()
        assert self._listener is not None, "it listens"
        self._listener.close()
        self._deaf = DeafAddress(self._listener.address)
        self._listener = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._listener is None and not self.frozen:  # it was being accepted at the death
            reset(writer)
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        session = FakeSession(self, reader, writer)
        self.sessions.add(session)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await session.run()
        finally:
            self.sessions.discard(session)
            self._tasks.discard(task)
            session.close()


async def _loop_goes_round() -> None:
    for _ in range(20):
        await asyncio.sleep(0.001)
