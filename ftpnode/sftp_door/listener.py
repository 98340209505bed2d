"""Listens for the SFTP sessions of one site, on the event loop that counts all sessions of the node."""

import socket
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from cluster import clock
from cluster.log import logger
from ftpnode.pyftpdlib_door.listener import Listener
from ftpnode.sftp_door.session import Session

if TYPE_CHECKING:
    from paramiko import PKey
    from pyftpdlib.ioloop import IOLoop

    from ftpnode.pyftpdlib_door.off_loop import OffLoop
    from ftpnode.service import Service

log = logger(__name__)

_SWEEP_S: Final = 1.0


class SftpListener(Listener):
    """One site's SFTP port. Admission is the FTP door's: the drain, sessions in all and by address."""

    def __init__(
        self, service: "Service", site: str, listening: socket.socket, host_key: "PKey", threads: "OffLoop",
        ioloop: "IOLoop",
    ) -> None:  # fmt: skip
        super().__init__(listening, Session, ioloop)
        self._service = service
        self._site = site
        self._host_key = host_key
        self._threads = threads
        self._sessions: set[Session] = set()
        self._sweeper = ioloop.call_every(_SWEEP_S, self._sweep)

    @override
    def handle_accepted(self, sock: socket.socket, addr: tuple[str, int]) -> None:
        session = Session(self._service, self._site, addr[0], self._threads)
        turned_away = self._service.sessions.admit(session, self._service.limits, clock.monotonic_s())
        if turned_away:
            self._service.metrics.refused_sessions.inc()
            log.info("session refused", reply=turned_away, site=self._site, client=addr[0], door="sftp")
            sock.close()
            return
        self._sessions.add(session)
        session.start(sock, self._host_key, self._ended)

    @override
    def close(self) -> None:
        """Accept no more, and cut every session; what is being published still comes to its end."""
        self._sweeper.cancel()
        for session in self._sessions:
            session.hang_up()
        super().close()

    def _ended(self, session: Session) -> None:
        """Runs in the session's thread, as its last act."""
        self._threads.soon(lambda: self._forget(session))

    def _forget(self, session: Session) -> None:
        self._sessions.discard(session)
        self._service.sessions.closed(session)
        log.debug("session ended", **session.who)

    def _sweep(self) -> None:
        now_s = clock.monotonic_s()
        for session in self._sessions:
            session.watch_uploads(now_s)
            if why := session.overdue(now_s):
                log.info("session cut", why=why, **session.who)
                session.hang_up()
