"""Listens for the sessions of one site."""

import errno
import socket
import sys
from typing import TYPE_CHECKING, Final

from pyftpdlib.servers import FTPServer
from typing_extensions import override

from cluster.log import logger

if TYPE_CHECKING:
    from pyftpdlib.ioloop import IOLoop

log = logger(__name__)

_OUT_OF_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener(FTPServer):
    """One site's port. The limits on sessions are in `ftpnode.core.admission`.

    pyftpdlib counts file descriptors instead of sessions, loses count of addresses behind a PROXY header, and closes
    the listener for good at the first accept that fails.
    """

    max_cons = 0

    def __init__(self, listening: socket.socket, session: type, ioloop: "IOLoop") -> None:
        super().__init__(listening, session, ioloop=ioloop, backlog=1024)

    @override
    def handle_accepted(self, sock: socket.socket, addr: tuple[str, int]) -> None:
        session = self.handler(sock, self, ioloop=self.ioloop)
        if session.connected:
            session.handle()

    @override
    def handle_accept(self) -> None:
        try:
            super().handle_accept()
        except OSError as error:
            if error.errno not in _OUT_OF_FILES:
                raise
            log.warning("cannot accept", why=error.strerror)

    @override
    def handle_error(self) -> None:
        log.error("a connection could not be taken", exc_info=sys.exception())
