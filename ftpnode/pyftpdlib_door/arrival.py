"""How a session comes in: a balancer's PROXY header, TLS, whether there is room, the greeting, the login deadline."""

import secrets
import socket
from typing import Any, ClassVar, Final

from OpenSSL import SSL
from pyftpdlib.ioloop import IOLoop, _CallLater
from typing_extensions import override

from cluster import clock
from cluster.log import logger
from cluster.proxy_header import FIXED_BYTES, ProxyHeaderError, body_length_bytes
from cluster.settings import Site
from cluster.signed_header import decode_signed
from cluster.tls_identity import client_certificate
from ftpnode.core.login import Candidate
from ftpnode.pyftpdlib_door.control_wire import ControlWire
from ftpnode.service import Service

log = logger(__name__)

_RECHECK_S: Final = 1.0


class Arrival(ControlWire):
    """A control connection from its first byte to the greeting. Each site has a subclass of the session's own class."""

    service: ClassVar[Service]
    site_name: ClassVar[str]
    site: ClassVar[Site]
    implicit_tls: ClassVar[bool]
    """Whether TLS begins with the client's first byte (implicit FTPS), with data connections as private as the rest."""

    def __init__(self, conn: socket.socket, server: object, ioloop: IOLoop | None = None) -> None:
        self.id = secrets.token_hex(4)
        self.peer = ""
        self.login: Candidate | None = None
        self.from_balancer = False
        """Whether a balancer speaks for its client here; not where it only passes on what the client says."""
        self.passive_address = ""
        """Of the VIP, where a balancer passes the client's bytes through."""
        self._client_has_tls = False
        self._tls_comes_first = self.implicit_tls
        self._forwarded_certificate = b""
        self.is_probe = False
        self.started_s = clock.monotonic_s()
        self._login_timer: _CallLater | None = None
        super().__init__(conn, server, ioloop)

    @override
    def handle(self) -> None:
        """Greet, or first read the PROXY header that a balancer must send; pyftpdlib greets at once."""
        self.peer = self.remote_ip
        self.expect_login()
        if self.peer in self.service.settings.balancer.source_addresses:
            self.set_terminator(FIXED_BYTES)
        else:
            self._begin()

    @override
    def recv(self, buffer_size: int) -> bytes:
        """As FTPHandler's, but not a byte beyond a PROXY header: what follows it may be TLS.

        And where TLS ends without a word (a reset, a record that cannot be read), the connection is closed: pyftpdlib
        knows only some of the ways in which OpenSSL says so.
        """
        left = self.get_terminator()
        try:
            return bytes(super().recv(buffer_size if self.bounds_lines else min(buffer_size, left)))
        except SSL.Error as error:
            log.info("TLS ended badly", session=self.id, client=self.remote_ip, why=str(error))
            self.handle_close()
            return b""

    def read_proxy_header(self, data: bytes) -> None:
        """Take what has come of the header; a connection that begins with anything else is closed."""
        try:
            if len(data) == FIXED_BYTES and (length := body_length_bytes(data)):
                self._in_buffer.append(data)
                self.set_terminator(length)
                return
            header = decode_signed(data, self.service.token_key, clock.now_s())
        except ProxyHeaderError as error:
            log.warning("bad PROXY header", peer=self.peer, why=str(error))
            self.close()
            return
        self.id = header.session or self.id
        if header.source is not None:
            self.remote_ip, self.remote_port = header.source
        if header.passive_address:
            self.passive_address, self.peer = header.passive_address, self.remote_ip
        else:
            self.from_balancer = True
            self._client_has_tls = header.tls
            self._tls_comes_first = self.implicit_tls or header.leg_tls
            self._forwarded_certificate = header.certificate
            self.is_probe = header.source is None
        self._begin()

    def _begin(self) -> None:
        """Let the client in or not; the greeting waits for TLS where that comes first.

        There, who is turned away hears nothing: a handshake for everybody is what a flood would ask for.
        """
        self.bounds_lines = True
        self.set_terminator(b"\n")  # a bare LF ends a line too; a CR before it is dropped
        turned_away = self.admit()
        if turned_away:
            self.service.metrics.refused_sessions.inc()
            log.info("session refused", reply=turned_away, **self.who)
            if self._tls_comes_first:
                self.close()
            else:
                self.hang_up(turned_away)
        elif self._tls_comes_first:
            self.buffer_agreed = True
            self.protect_data(on=True)
            self.start_tls()
        else:
            self._greet()

    def _greet(self) -> None:
        self.reply(f"220 {self.site.greeting}")

    @override
    def handle_ssl_established(self) -> None:
        """The handshake of the control connection is done; explicit TLS was greeted before it."""
        if self._tls_comes_first:
            self._greet()

    @property
    @override
    def asks_client(self) -> bool:
        return self.service.settings.asks_for_certificates(self.site_name)

    @property
    def address(self) -> str:
        """Where the client has connected to, as it knows it."""
        return self.passive_address or str(self.socket.getsockname()[0])

    @property
    def client_has_tls(self) -> bool:
        """Whether the client's own control connection is TLS, be it here or at a balancer."""
        return self._client_has_tls if self.from_balancer else self.is_tls

    @property
    def client_certificate(self) -> bytes:
        """The certificate (DER) whose key the client holds; empty without one. A balancer tells its client's."""
        if self.from_balancer:
            return self._forwarded_certificate
        return client_certificate(self.socket) if self.is_tls else b""

    def admit(self) -> str | None:
        """Count the session from here until its connection has ended; or the 421 that turns it away."""
        raise NotImplementedError

    def expect_login(self) -> None:
        """Give the client until the login deadline from now; NOOPs do not move it."""
        if self._login_timer is not None and not self._login_timer.cancelled:
            self._login_timer.cancel()
        self._login_timer = self.call_later(self.service.limits.login_timeout_s, self._login_overdue)

    def _login_overdue(self) -> None:
        if self.login is None and self.is_busy:  # its password is being checked, or waits for that: our time, not its
            self._login_timer = self.call_later(_RECHECK_S, self._login_overdue)
        elif self._ssl_accepting:
            self.close()  # a handshake leaves no way to say anything
        elif self.login is None:
            self.hang_up("421 Too long without a login.")

    @property
    def is_busy(self) -> bool:
        """Whether the session works on a command."""
        raise NotImplementedError

    @property
    def who(self) -> dict[str, Any]:
        """The session, for logs."""
        name = self.login.name if self.login else None
        return {"session": self.id, "site": self.site_name, "client": self.remote_ip, "account": name}
