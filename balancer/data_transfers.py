"""Performs what a session wants done with data connections."""

import asyncio
import socket
from collections.abc import Callable, Coroutine

from OpenSSL import SSL

from balancer.back_connection import BackLeg, connect
from balancer.core import actions as a
from balancer.core import events as e
from balancer.core.back_source import Source, back_source
from balancer.data_leg import DataLeg, SinkLostError, SourceCutError, relay
from balancer.passive_ports import LentPort
from balancer.surroundings import Surroundings
from balancer.tls_pump import TlsPump, TruncatedError
from balancer.upload_flow import UploadFlow
from cluster.clock import monotonic_s
from cluster.log import logger
from cluster.settings import Resumption

log = logger(__name__)

Spawn = Callable[[set["asyncio.Task[None]"], Coroutine[object, object, None]], None]

DataAction = (
    a.LeasePort
    | a.ReleasePort
    | a.ConnectBackData
    | a.DropBackData
    | a.OpenFrontData
    | a.ReceiveUpload
    | a.FeedNode
    | a.RelayDownload
    | a.StopDownload
    | a.FinishFrontData
    | a.DropData
)


class DataTransfers:
    """The data connections of one session; `report` takes their events, `spawn` starts a task and puts it in a set."""

    def __init__(
        self, around: Surroundings, client: str, local: str, report: Callable[[e.Event], None], spawn: Spawn
    ) -> None:
        self.tls = "none"
        """Of the client's last data connection: none, new, or resumed."""
        self._around = around
        self._client = client
        self._local = local
        self._report = report
        self._spawn = spawn
        self._lent: LentPort | None = None
        self._front: DataLeg | None = None
        self._back: DataLeg | None = None
        self._tls: SSL.Context | None = None
        self._shown: Callable[[], bytes] = bytes
        self._upload: UploadFlow | None = None
        self._delivered_bytes = 0
        self._held = bytearray()
        self._began_s = 0.0
        self._of_front: set[asyncio.Task[None]] = set()
        self._of_back: set[asyncio.Task[None]] = set()

    def speak_tls(self, context: SSL.Context, shown: Callable[[], bytes]) -> None:
        """Use the control connection's own context for protected data; `shown` there is the client's certificate."""
        self._tls, self._shown = context, shown

    @property
    def seconds(self) -> float:
        """How long the transfer has lasted."""
        return monotonic_s() - self._began_s

    def perform(self, action: DataAction, back: BackLeg | None) -> None:
        """Begin what `action` says; `back` is the session's back leg."""
        match action:
            case a.LeasePort():
                self._lease()
            case a.ReleasePort():
                self._release()
            case a.ConnectBackData(port):
                self._drop_back()
                assert back is not None, "the session has one"
                self._spawn(self._of_back, self._connect_back(back, port))
            case a.DropBackData():
                self._drop_back()
            case a.OpenFrontData():
                self._began_s = monotonic_s()
                self._delivered_bytes = 0
                self.tls = "none"
                self._spawn(self._of_front, self._open_front(action))
            case _:
                self._move(action)

    def end(self) -> None:
        """The session is over."""
        self._drop()
        self._release()

    def _move(
        self,
        action: a.ReceiveUpload | a.FeedNode | a.RelayDownload | a.StopDownload | a.FinishFrontData | a.DropData,
    ) -> None:
        match action:
            case a.ReceiveUpload():
                assert self._front is not None, "the client's data connection stands"
                self._spawn(self._of_front, self._the_upload().receive(self._front))
            case a.FeedNode():
                assert self._back is not None, "the node's data connection stands"
                self._spawn(self._of_back, self._the_upload().feed(self._back))
            case a.RelayDownload(hold_bytes):
                assert self._back is not None, "the node's data connection stands"
                assert self._front is not None, "the client's data connection stands"
                self._spawn(self._of_back, self._download(self._back, self._front, hold_bytes))
            case a.StopDownload():
                self._drop_back()
                self._report(e.DownloadEnded(e.Ending.CUT, self._delivered_bytes))
            case a.FinishFrontData():
                assert self._front is not None, "the client's data connection stands"
                self._spawn(self._of_front, self._finish_front(self._front))
            case a.DropData():
                self._drop()

    def _lease(self) -> None:
        self._release()
        lent = self._lent = self._around.ports.lend(self._client, self._around.settings.limits.passive_accept_s)
        if lent is None:
            self._report(e.NoPortFree())
            return
        lent.arrived.add_done_callback(lambda arrived: self._came(lent, arrived))
        self._report(e.PortLeased(lent.lease.port))

    def _came(self, lent: LentPort, arrived: "asyncio.Future[socket.socket]") -> None:
        if not arrived.cancelled() and self._lent is lent:
            self._report(e.FrontDataCame())

    def _release(self) -> None:
        if self._lent is not None:
            self._lent.give_back()
            self._lent = None

    async def _connect_back(self, control: BackLeg, port: int) -> None:
        settings, node_tls = self._around.settings, self._around.node_tls
        target = settings.nodes[control.node].address, port
        source = back_source(settings.balancer, self._client, target[0])
        try:
            sock = await connect(target, source, settings.balancer.connect_timeout_s)
        except OSError as error:
            self._report(e.BackDataFailed(error.strerror or "no answer"))
            return
        self._back = back = DataLeg(sock, settings.limits.transfer_stall_s)
        back.reset_unless_finished()
        if node_tls.is_on:
            try:
                async with asyncio.timeout(settings.balancer.connect_timeout_s):
                    await back.secure(node_tls.pump(control.node, control.leg.tls_session))
            except (OSError, TruncatedError) as error:
                self._report(e.BackDataFailed(_reason(error)))
                return
        self._report(e.BackDataOpened())

    async def _open_front(self, wanted: a.OpenFrontData) -> None:
        limits = self._around.settings.limits
        try:
            if wanted.target is not None:
                sock = await connect(wanted.target, Source(self._local), limits.passive_accept_s)
            else:
                assert self._lent is not None, "the session has a lease"
                sock = await self._lent.connection(limits.passive_accept_s)
        except OSError as error:
            self._fail(error, e.FrontTrouble.NOT_MADE)
            return
        self._front = DataLeg(sock, limits.transfer_stall_s)
        try:
            if wanted.protected and not await self._secure(self._front, wanted.resumption):
                self._report(e.FrontDataFailed("not resumed", e.FrontTrouble.TLS_FOREIGN))
                return
        except (OSError, TruncatedError) as error:
            stalled = isinstance(error, TimeoutError)
            self._fail(error, e.FrontTrouble.STALLED if stalled else e.FrontTrouble.TLS_FAILED)
            return
        self._report(e.FrontDataOpened())

    def _fail(self, error: Exception, trouble: e.FrontTrouble) -> None:
        why = _reason(error)
        log.info("no data connection", client=self._client, trouble=trouble.value, why=why)
        self._report(e.FrontDataFailed(why, trouble))

    async def _secure(self, front: DataLeg, wanted: Resumption) -> bool:
        """Speak TLS on a data connection; whether it may be used."""
        assert self._tls is not None, "PROT P comes after TLS"
        resumed = await front.secure(TlsPump(self._tls))
        self.tls = "resumed" if resumed else "new"
        if resumed:
            return True
        if wanted is not Resumption.OFF:
            log.info("data TLS not resumed", wanted=wanted.value, client=self._client)
        shown = self._shown()
        is_another = bool(shown) and front.client_certificate != shown
        if is_another:
            log.warning("data TLS of another client", client=self._client)
        return not is_another and wanted is not Resumption.REQUIRE

    async def _download(self, back: DataLeg, front: DataLeg, hold_bytes: int) -> None:
        ending = e.Ending.FINISHED
        try:
            if not await self._hold(back, hold_bytes):
                await self._send_held(front)
                await relay(back, front, self._count)
        except SourceCutError:
            ending = e.Ending.CUT
        except SinkLostError as error:
            self._report(e.FrontDataLost(str(error)))
            return
        self._report(e.DownloadEnded(ending, self._delivered_bytes))

    async def _hold(self, back: DataLeg, most_bytes: int) -> bool:
        """Take the node's data and keep it; False when there is more than may be kept."""
        self._held.clear()
        while len(self._held) < most_bytes:
            data = await back.receive()
            if not data:
                return True
            self._held += data
        return False

    async def _send_held(self, front: DataLeg) -> None:
        if self._held:
            self._count(len(self._held))
            await front.send(bytes(self._held))
            self._held.clear()

    async def _finish_front(self, front: DataLeg) -> None:
        try:
            await self._send_held(front)
            await front.finish()
        except SinkLostError as error:
            self._report(e.FrontDataLost(str(error)))
        else:
            self._report(e.FrontDataClosed(self._delivered_bytes))

    def _count(self, count_bytes: int) -> None:
        self._delivered_bytes += count_bytes

    def _the_upload(self) -> UploadFlow:
        if self._upload is None:
            self._upload = UploadFlow(self._around.budget, self._report)
        return self._upload

    def _drop_back(self) -> None:
        _cancel(self._of_back)
        if self._back is not None:
            self._back.abort()
            self._back = None

    def _drop(self) -> None:
        self._drop_back()
        self._held.clear()
        _cancel(self._of_front)
        if self._front is not None:
            self._front.close()
            self._front = None
        if self._upload is not None:
            self._upload.drop()
            self._upload = None


def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in tuple(tasks):
        task.cancel()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "none came in time"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
