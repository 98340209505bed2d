"""A control connection: bytes in, bytes out, TLS from a moment on."""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final

from OpenSSL import SSL
from typing_extensions import override

from balancer.tls_pump import TlsPump, TruncatedError

_MAX_UNSENT_BYTES: Final = 8 << 20
"""What a client may leave unread; a reply of a node is at most half of it."""
_LAST_WORDS_S: Final = 10.0
"""How long what is unsent at the end may take."""


def keep_alive(sock: socket.socket) -> None:
    """Let TCP notice a dead other end, and middle boxes a living one: after 60 s, every 15 s, four times."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)


class ControlLeg(asyncio.Protocol):
    """One control connection. After `close` or `abort` it says nothing any more.

    `on_bytes` takes what came (decrypted), `on_lost` the reason why nothing more will. What is unsent at the end has
    `last_words_s` to go out.
    """

    def __init__(
        self, on_bytes: Callable[[bytes], None], on_lost: Callable[[str], None], last_words_s: float = _LAST_WORDS_S
    ) -> None:
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._last_words_s = last_words_s
        self._transport: asyncio.Transport | None = None
        self._tls: TlsPump | None = None
        self._shaken = False
        self._early = b""
        self._over = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "a TCP connection"
        self._transport = transport
        if self._over:
            transport.abort()
            return
        sock = transport.get_extra_info("socket")
        keep_alive(sock)
        # A reply that follows another (226 after 150) must not wait for the acknowledgement of that one: 40 ms.
        # asyncio does this for sockets that say they are TCP, and those that a listener accepted do not say it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # ABOR comes with urgent data (RFC 959, 4.1.3); in line it is seen in its place.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)

    @override
    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        if self._tls is None:
            self._on_bytes(data)
            return
        self._tls.feed(data)
        self._try_to_read(self._tls)

    @override
    def eof_received(self) -> bool:
        self._lose("closed")
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(str(exc) if exc else "closed")

    def send(self, data: bytes) -> None:
        """Send in order, without waiting."""
        if self._over or self._transport is None:
            return
        if self._tls is None:
            self._transport.write(data)
        elif not self._shaken:
            self._early += data
        else:
            self._write_tls(self._tls, data)
        if self._transport.get_write_buffer_size() > _MAX_UNSENT_BYTES:
            self._lose("does not read")

    def start_tls(self, pump: TlsPump) -> None:
        """Speak TLS from here on; what is sent before the handshake is done waits for it."""
        self._tls = pump
        self._try_to_read(pump)  # a client speaks first

    @property
    def tls_session(self) -> SSL.Session | None:
        """What a data connection of the same session can go on with; None without TLS."""
        return self._tls.session if self._tls is not None else None

    @property
    def speaks_tls(self) -> bool:
        """Whether it is under TLS by now."""
        return self._tls is not None

    @property
    def client_certificate(self) -> bytes:
        """The certificate (DER) that the other end has shown under TLS and holds the key of; empty without one."""
        return self._tls.client_certificate if self._tls is not None and self._shaken else b""

    def close(self) -> None:
        """Send what is unsent, then close."""
        self._over = True
        if self._tls is not None and self._shaken:
            self._tls.say_goodbye()
            self._flush_tls()
        self._close_transport()

    def copy_of_socket(self) -> socket.socket | None:
        """The connection for somebody else to go on with after `abort`; None under TLS, or with words yet unsent."""
        transport = self._transport
        if self._over or transport is None or self._tls is not None or transport.get_write_buffer_size():
            return None
        return socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))

    def abort(self) -> None:
        """Close at once."""
        self._over = True
        if self._transport is not None:
            self._transport.abort()

    def _try_to_read(self, tls: TlsPump) -> None:
        try:
            self._read_tls(tls)
        except TruncatedError as error:
            self._flush_tls()
            self._lose(str(error))

    def _read_tls(self, tls: TlsPump) -> None:
        if not self._shaken:
            self._shaken = tls.shake_hands()
            if self._shaken:
                early, self._early = self._early, b""
                tls.write(early)
            self._flush_tls()
        while self._shaken and not self._over and (data := tls.read()) is not None:
            self._flush_tls()
            if not data:
                self._lose("closed")
                return
            self._on_bytes(data)

    def _write_tls(self, tls: TlsPump, data: bytes) -> None:
        try:
            tls.write(data)
        except TruncatedError as error:
            self._lose(str(error))
        self._flush_tls()

    def _flush_tls(self) -> None:
        if self._tls is not None and self._transport is not None and (data := self._tls.take()):
            self._transport.write(data)

    def _lose(self, why: str) -> None:
        if not self._over:
            self._over = True
            self._on_lost(why)
            self._close_transport()

    def _close_transport(self) -> None:
        """Close once all is sent. asyncio would wait for ever for one who does not read."""
        transport = self._transport
        if transport is None:
            return
        transport.close()
        if transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(self._last_words_s, transport.abort)
