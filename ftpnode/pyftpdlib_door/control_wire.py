"""The wire below a session: bounded lines in, safe replies out, TLS, and an end that loses no reply."""

import contextlib
import socket
import sys
from typing import ClassVar, Final

from OpenSSL import SSL
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.ioloop import AsyncChat, IOLoop
from typing_extensions import override

from cluster.log import logger
from cluster.tls_identity import TlsIdentity
from ftpnode.core.line import LINE_LIMIT_BYTES
from ftpnode.pyftpdlib_door.data_connection import DataConnection
from ftpnode.pyftpdlib_door.data_port import ActivePort, PassivePort

log = logger(__name__)

_LINGER_S: Final = 1.0
_LAST_WORDS_S: Final = 10.0
_MAX_UNREAD_LINES: Final = 1000


class ControlWire(TLS_FTPHandler):
    """A control connection that knows lines and replies, but no command."""

    identity: ClassVar[TlsIdentity]
    dtp_handler = DataConnection
    data_channel: DataConnection | None

    def __init__(self, conn: socket.socket, server: object, ioloop: IOLoop | None = None) -> None:
        self.is_deaf = False
        """Whether the last reply was sent, and nothing is heard any more."""
        self.bounds_lines = False
        self.buffer_agreed = False
        self._lingering = False
        super().__init__(conn, server, ioloop)
        self._current_type = "i"  # binary always: ASCII conversion corrupts the files of clients that forget TYPE I

    @override
    def collect_incoming_data(self, data: bytes) -> None:
        """As FTPHandler's, but an overlong line ends the session; pyftpdlib would run its tail as a command."""
        if self.is_deaf:
            return
        self._in_buffer.append(data)
        self._in_buffer_len += len(data)
        if self.bounds_lines and self._in_buffer_len > LINE_LIMIT_BYTES:
            self.hang_up("500 Line too long.")

    def reply(self, text: str) -> None:
        """Send one line; control characters, which would forge another reply, become question marks."""
        self.push((text if text.isprintable() else _harmless(text)) + "\r\n")

    def reply_lines(self, code: int, first: str, lines: list[str], last: str) -> None:
        """Send a reply of several lines (RFC 959 section 4.2); lines in the middle begin with a space."""
        self.reply(f"{code}-{first}")
        for line in lines:
            self.reply(f" {line}")
        self.reply(f"{code} {last}")

    @override
    def push(self, data: str) -> None:
        """As FTPHandler.push, but a name that the encoding lacks is shown with question marks instead of failing."""
        if self._closed:
            return
        AsyncChat.push(self, data.encode(self.name_encoding, "replace"))
        if len(self.producer_fifo) > _MAX_UNREAD_LINES:
            log.warning("replies are not read", client=self.remote_ip)
            self._drop()

    def _drop(self) -> None:
        """Close without any more words, which nobody would read."""
        self._error = True
        self.close()

    @property
    def name_encoding(self) -> str:
        """How names are written to the client."""
        return "utf-8"

    def hang_up(self, text: str) -> None:
        """Send a last reply, hear nothing more, and close."""
        self.is_deaf = True
        self.reply(text)
        if not self._closed:
            self.call_later(_LAST_WORDS_S, self._drop)
            self.close_when_done()

    @property
    def is_listening(self) -> bool:
        """Whether a passive port waits for a data connection."""
        return self._dtp_acceptor is not None

    def set_port(self, port: PassivePort | ActivePort | None) -> None:
        """Keep what brings the next data connection about, so that it ends with the session."""
        self._dtp_acceptor = port if isinstance(port, PassivePort) else None
        self._dtp_connector = port if isinstance(port, ActivePort) else None

    def close_port(self) -> None:
        """Wait for no data connection."""
        self._shutdown_connecting_dtp()

    @classmethod
    @override
    def get_ssl_context(cls) -> None:
        """Asked for when a listener or a session is made; a context of the session's own is made for its AUTH."""

    def start_tls(self) -> None:
        """Hand the control connection to TLS; the next bytes are its handshake."""
        self.ssl_context = self.identity.session_context(asks_client=self.asks_client)
        self.secure_connection(self.ssl_context)

    @property
    def asks_client(self) -> bool:
        """Whether clients are asked for a certificate."""
        raise NotImplementedError

    def protect_data(self, *, on: bool) -> None:
        """Use TLS on the data connections from now on, or not."""
        self._prot = on

    @property
    def is_gone(self) -> bool:
        """Whether the control connection has ended."""
        return bool(self._closed)

    @property
    def is_tls(self) -> bool:
        """Whether this control connection itself speaks TLS."""
        return isinstance(self.socket, SSL.Connection)

    def lingers(self) -> bool:
        """Whether the end waits a moment for what the client still sends; to be asked when the connection may close.

        Closing with bytes unread is an RST, which may destroy our last reply on its way.
        """
        if not self.is_deaf or self._lingering or self.is_tls:
            return False
        self._lingering = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        self.call_later(_LINGER_S, self.close)
        return True

    @override
    def handle_error(self) -> None:
        """As FTPHandler's, with our log."""
        log.error("a session failed", exc_info=sys.exception())
        self._error = True
        self.close()

    @override
    def log(self, msg: str, logfun: object = None) -> None:
        """Our own logs say what matters, as fields."""


def _harmless(text: str) -> str:
    return "".join("?" if ord(character) < 0x20 or character == "\x7f" else character for character in text)
