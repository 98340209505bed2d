"""Brings data connections about: a passive port of the node's range, or a connection to the client's own port."""

import secrets
import socket
import sys
from typing import TYPE_CHECKING, Final

from pyftpdlib.ioloop import Acceptor, Connector
from typing_extensions import override

from cluster.log import logger
from ftpnode.core.data_address import DataAddress
from ftpnode.pyftpdlib_door.header_reader import HeaderReader

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session

log = logger(__name__)

_HEADERS_AT_ONCE: Final = 5


class NoPortFreeError(Exception):
    """Every port of the passive range is taken."""


class PassivePort(Acceptor):
    """Listens for one data connection.

    Not pyftpdlib's PassiveDTP: that leaves the range when it is exhausted, writes 425 into the session for every
    stranger that connects, and an unasked 421 when nobody does.
    """

    def __init__(self, session: "Session", timeout_s: float) -> None:
        super().__init__(ioloop=session.ioloop)
        self._session = session
        self._headers: set[HeaderReader] = set()
        host = session.socket.getsockname()[0]
        self.create_socket(session.socket.family, socket.SOCK_STREAM)
        self.set_reuse_addr()
        self._bind_to_one(host, session.service.passive_ports)
        self.listen(5)
        self.host, self.port = self.socket.getsockname()[:2]
        self.call_later(timeout_s, self.handle_timeout)

    def _bind_to_one(self, host: str, ports: range) -> None:
        start = secrets.randbelow(len(ports))
        for number in range(len(ports)):
            try:
                self.bind((host, ports[(start + number) % len(ports)]))
            except OSError:
                continue
            return
        self.close()
        raise NoPortFreeError

    @override
    def handle_accepted(self, sock: socket.socket, addr: tuple[str, int]) -> None:
        service = self._session.service
        if not self._session.passive_address:
            self._take(addr[0], sock)
        elif addr[0] in service.settings.balancer.source_addresses and len(self._headers) < _HEADERS_AT_ONCE:
            self._headers.add(HeaderReader(sock, self.ioloop, service.token_key, self._header_ended))
        else:
            self._refuse(addr[0], sock)

    def _header_ended(self, reader: HeaderReader, client: str) -> None:
        self._headers.discard(reader)
        if client:
            self._take(client, reader.socket)

    def _take(self, client: str, sock: socket.socket) -> None:
        if client != self._session.peer:
            self._refuse(client, sock)
            return
        self.close()
        self._session.data.connected(sock)

    def _refuse(self, stranger: str, sock: socket.socket) -> None:
        log.warning("stranger on a passive port", stranger=stranger, **self._session.who)
        sock.close()

    @override
    def close(self) -> None:
        """As Acceptor's, with those whose header has not come."""
        super().close()
        for one in tuple(self._headers):
            one.close()

    def handle_timeout(self) -> None:
        """Nobody came."""
        self.close()
        self._session.data.not_connected()

    @override
    def handle_error(self) -> None:
        log.error("a passive port failed", exc_info=sys.exception())
        self.close()
        self._session.data.not_connected()


class ActivePort(Connector):
    """Connects to the client; not pyftpdlib's ActiveDTP, which answers PORT only when the connection stands."""

    def __init__(self, session: "Session", address: DataAddress, timeout_s: float) -> None:
        super().__init__(ioloop=session.ioloop)
        self._session = session
        self._over = False
        self.call_later(timeout_s, self.handle_close)
        try:
            self.connect_af_unspecified((address.host, address.port), (session.socket.getsockname()[0], 0))
        except OSError:
            self.handle_close()

    @override
    def handle_connect(self) -> None:
        self._over = True
        self.del_channel()
        for task in self._tasks:
            task.cancel()
        self._session.data.connected(self.socket)

    @override
    def readable(self) -> bool:
        return False

    @override
    def handle_write(self) -> None:
        """The socket belongs to the data connection already; pyftpdlib would change what the loop watches it for."""

    @override
    def handle_close(self) -> None:
        if not self._over:
            self._over = True
            self.close()
            self._session.data.not_connected()

    @override
    def handle_error(self) -> None:
        self.handle_close()
