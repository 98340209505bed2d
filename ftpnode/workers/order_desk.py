"""Where a worker takes orders, on its own event loop; when the supervisor is gone, the worker finishes."""

import contextlib
import socket
import sys
from concurrent.futures import Future
from typing import Final

import msgspec
from pyftpdlib.ioloop import AsyncChat
from typing_extensions import override

from cluster import clock
from cluster.frame import FrameReader, FrameTooLongError, frame
from cluster.log import logger
from cluster.metric_families import families_of
from cluster.problem import ConfigError
from cluster.settings import Settings
from ftpnode.fresh_settings import FreshSettings, with_certificates
from ftpnode.live_sessions import kick, live_sessions
from ftpnode.server import Server
from ftpnode.workers.orders import (
    Adopt,
    Begin,
    Consider,
    Considered,
    Counted,
    Done,
    Kick,
    Listed,
    ListSessions,
    Look,
    Looked,
    NumberedReport,
    Order,
    Ready,
    ReopenLogs,
    Report,
    decode_order,
    encode,
)

log = logger(__name__)

_READ_BYTES: Final = 64 << 10
_SESSIONS_A_REPORT: Final = 400  # so that a report stays far below the longest frame, however long the paths


class OrderDesk(AsyncChat):
    """The worker's end of the stream of orders; `reader` holds what came with the first order."""

    def __init__(self, connection: socket.socket, server: Server, reader: FrameReader) -> None:
        connection.settimeout(0.0)
        super().__init__(connection, ioloop=server.ioloop)
        self._server = server
        self._reader = reader
        self._considered: FreshSettings | None = None
        self._report(0, Ready())

    @override
    def handle_read(self) -> None:
        data = b""
        with contextlib.suppress(ConnectionError):
            try:
                data = self.socket.recv(_READ_BYTES)
            except BlockingIOError:
                return
        if not data:
            self.handle_close()
            return
        try:
            for payload in self._reader.feed(data):
                numbered = decode_order(payload)
                self._obey(numbered.number, numbered.order)
        except (FrameTooLongError, msgspec.MsgspecError):
            log.exception("an order cannot be read")
            self.handle_close()

    def _obey(self, number: int, order: Order) -> None:
        service = self._server.service
        match order:
            case Look():
                self._report(number, Looked(service.sessions.transfers, families_of(service.metrics.registry)))
            case ListSessions():
                self._list(number)
            case Kick(session):
                self._report(number, Counted(kick(service.sessions, session)))
            case Consider(settings):
                self._consider(number, settings)
            case Adopt():
                assert self._considered is not None, "what is adopted was considered"
                self._server.adopt(self._considered)
                self._report(number, Done())
            case ReopenLogs():
                service.access_logs.reopen()
                self._report(number, Done())
            case Begin():
                raise AssertionError("a worker begins once")

    def _list(self, number: int) -> None:
        found = live_sessions(self._server.service.sessions, clock.monotonic_s()).sessions
        for first in range(0, max(len(found), 1), _SESSIONS_A_REPORT):
            upto = first + _SESSIONS_A_REPORT
            self._report(number, Listed(found[first:upto], is_last=upto >= len(found)))

    def _consider(self, number: int, settings: Settings) -> None:
        service = self._server.service

        def considered(future: Future[FreshSettings]) -> None:
            error = future.exception()
            if isinstance(error, ConfigError):
                self._report(number, Considered(error.problems))
            else:
                self._considered = future.result()
                self._report(number, Considered(()))

        def consider() -> FreshSettings:
            return with_certificates(settings, service.name)

        self._server.threads.run(service.workers.watch, consider, considered)

    def _report(self, number: int, report: Report) -> None:
        self.push(frame(encode(NumberedReport(number, report))))

    @override
    def handle_close(self) -> None:
        log.debug("the supervisor is gone")
        self.close()
        self._server.stop()

    @override
    def handle_error(self) -> None:
        """A fault of ours; the order is not reported on, which the supervisor says."""
        log.error("an order failed", exc_info=sys.exception())
