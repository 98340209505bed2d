"""A session whose bytes are passed through unread: its control connection, joined with a node's, and its data."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable, Coroutine

from typing_extensions import override

from balancer.access_log import AccessLog
from balancer.arrival import Arrival, DataArrival
from balancer.back_connection import connect
from balancer.choosing import Asker, choose
from balancer.core.back_source import back_source
from balancer.core.choose_node import Wish, refusal
from balancer.core.data_address import advertised_address
from balancer.core.pass_through import BothEnded, Passing, outcome
from balancer.core.persistence import persistence_key
from balancer.core.routes import pool_of
from balancer.data_leg import DataLeg, SinkLostError, pass_on, relay
from balancer.nodes import Tenant
from balancer.surroundings import Surroundings
from balancer.two_ways import TwoWays
from cluster.balancer_settings import Service
from cluster.clock import monotonic_s, now_s
from cluster.log import logger
from cluster.proxy_header import ProxyHeader, encode
from cluster.signed_header import sign

log = logger(__name__)


class PassThrough(Tenant):
    """One client's session at a service with `tls: pass-through`; `on_end` hears that it is over.

    It cannot move: where its node goes, it ends. It owns `sock`, and what `take` is given.
    """

    def __init__(
        self,
        around: Surroundings,
        service_name: str,
        service: Service,
        arrival: Arrival,
        sock: socket.socket,
        on_end: Callable[[], None],
    ) -> None:
        self.id = secrets.token_hex(6)
        self.client = arrival.client[0]
        self.node = ""
        """Where it is; empty until it is somewhere."""
        self._around = around
        self._service_name = service_name
        self._service = service
        self._arrival = arrival
        self._front = self._leg(sock)
        self._on_end = on_end
        self._began_s = self._spoke_s = monotonic_s()
        self._outcome = ""
        self._control: asyncio.Task[None] | None = None
        self._data: set[asyncio.Task[None]] = set()
        self._books = AccessLog(around.metrics, session=self.id, service=service_name, client=self.client)

    def begin(self) -> None:
        """Join it with a node."""
        self._control = self._task(self._serve())

    def take(self, arrival: DataArrival, sock: socket.socket) -> None:
        """Join a data connection of its client with its node's port."""
        self._data.add(self._task(self._carry(arrival, self._leg(sock))))

    @property
    def passing(self) -> Passing:
        """As a data connection sees it; at no node while, or when, its control connection does not stand."""
        node = "" if self._outcome else self.node
        return Passing(self.id, self.client, node, len(self._data), self._spoke_s)

    @property
    def transferring(self) -> bool:
        """Whether a data connection stands."""
        return bool(self._data)

    @override
    def node_is_down(self, why: str) -> None:
        self._around.nodes.lost_a_session(self.node)
        self._cut("node-lost")

    @override
    def node_drains(self) -> None:
        """Nobody can tell its client to come again, so it stays until the time of the drain is over."""

    def shut(self) -> None:
        """The balancer stops."""
        self._cut("balancer-stopped")

    def _cut(self, word: str) -> None:
        self._outcome = self._outcome or word
        for task in self._tasks():
            task.cancel()

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [*self._data, *([self._control] if self._control is not None else ())]

    def _task(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        """The session is over with the last of its connections: what is on its way when it says QUIT still arrives."""
        if not task.cancelled() and (error := task.exception()) is not None:
            # Our bug; this one session ends, the others go on.
            log.error("internal error", session=self.id, exc_info=error)
            self._cut("internal-error")
        self._data.discard(task)
        if task is self._control:
            self._control = None
            self._front.abort()
        if not self._tasks():
            if self.node:
                self._around.nodes.moves_out(self.node, self)
            self._books.ended(self._outcome, account="", seconds=monotonic_s() - self._began_s, tls=None)
            self._on_end()

    async def _serve(self) -> None:
        back = await self._reach()
        if back is None:
            return
        linger_s = self._around.settings.limits.transfer_stall_s
        ended = await TwoWays(self._front, back).run(pass_on, idle_s=None, linger_s=linger_s, heard=self._spoke)
        if ended is BothEnded.NODE_CUT:
            self._around.nodes.lost_a_session(self.node)
        self._outcome = outcome(ended)

    async def _reach(self) -> DataLeg | None:
        """Connect to the node that is chosen, or the next; None when there is none, and the client knows."""
        site, nodes = self._around.settings.sites[self._service.site], self._around.nodes
        port = site.implicit_port if self._arrival.implicit_tls else site.port
        assert port is not None, "the settings' rules want one"
        avoid: frozenset[str] = frozenset()
        asker = Asker(self.id, self._service_name, self.client)
        while True:
            choice = await choose(self._around, self._wish(avoid), asker)
            if choice.node is None:
                await self._refuse(full=choice.full)
                return None
            # It counts from now on, so that of a hundred clients in one moment not all choose the same node.
            self.node = choice.node
            nodes.moves_in(self.node, self)
            try:
                return await self._connected(port, self._arrival.client, self._arrival.local)
            except OSError as error:
                nodes.moves_out(self.node, self)
                nodes.connection_failed(self.node, f"cannot connect: {error.strerror or 'no answer'}")
                avoid, self.node = avoid | {self.node}, ""

    async def _refuse(self, *, full: bool) -> None:
        text, self._outcome = refusal(full=full)
        with contextlib.suppress(SinkLostError):
            if not self._arrival.implicit_tls:  # there it would have to be said under TLS
                await self._front.send(f"421 {text}\r\n".encode())
        self._front.close()

    async def _carry(self, arrival: DataArrival, front: DataLeg) -> None:
        limits, port = self._around.settings.limits, arrival.local[1]
        began_s, ended = monotonic_s(), BothEnded.LEFT
        try:
            back = await self._connected(port, arrival.client, arrival.local)
            back.reset_unless_finished()
            data = TwoWays(front, back)
            try:
                ended = await data.run(relay, idle_s=limits.idle_timeout_s, linger_s=limits.transfer_stall_s)
            finally:
                self._around.nodes.carried(self.node, data.up_bytes + data.down_bytes)
                self._books.carried(
                    node=self.node, port=port, up_bytes=data.up_bytes, down_bytes=data.down_bytes,
                    seconds=monotonic_s() - began_s, why=ended.value,
                )  # fmt: skip
        except OSError as error:
            log.info("no data connection", session=self.id, node=self.node, port=port, why=error.strerror)
        finally:
            front.abort()

    async def _connected(self, port: int, client: tuple[str, int], local: tuple[str, int]) -> DataLeg:
        """A connection to a port of its node, with the client's address at its head; OSError."""
        balancer = self._around.settings.balancer
        told = advertised_address(balancer.advertise, client[0], self._arrival.local[0])
        header = ProxyHeader(source=client, destination=local, session=self.id, passive_address=told)
        target = self._around.settings.nodes[self.node].address, port
        source = back_source(balancer, client[0], target[0])
        back = self._leg(await connect(target, source, balancer.connect_timeout_s))
        try:
            await back.send(sign(encode(header), self._around.token_key, now_s()))
        except BaseException as error:
            back.abort()
            if isinstance(error, SinkLostError):
                raise ConnectionError(0, str(error)) from error
            raise
        return back

    def _leg(self, sock: socket.socket) -> DataLeg:
        return DataLeg(sock, self._around.settings.limits.transfer_stall_s, patient=True)

    def _wish(self, avoid: frozenset[str]) -> Wish:
        service, settings = self._service, self._around.settings
        readers_alone = all(settings.readers_at(site) >= {*settings.sites[site].accounts} for site in service.sites)
        return Wish(
            avoid=avoid,
            key=persistence_key(service, self.client, ""),
            scheduler=service.scheduler,
            pool=pool_of(service, settings.balancer.pools, "", self.client),
            mirrors=readers_alone,  # who will log in, nobody knows yet
        )

    def _spoke(self) -> None:
        self._spoke_s = monotonic_s()
