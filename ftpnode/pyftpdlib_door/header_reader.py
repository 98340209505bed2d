"""Reads the PROXY header of a data connection that a balancer passes through, and not a byte more: TLS may follow."""

import socket
import sys
from collections.abc import Callable

from pyftpdlib.exceptions import _RetryError
from pyftpdlib.ioloop import AsyncChat, IOLoop
from typing_extensions import override

from cluster import clock
from cluster.log import logger
from cluster.proxy_header import FIXED_BYTES, ProxyHeaderError, body_length_bytes
from cluster.signed_header import decode_signed

log = logger(__name__)


class HeaderReader(AsyncChat):
    """`on_end` hears the client's address, and then owns the `socket`; or nothing, and it is closed."""

    def __init__(
        self, sock: socket.socket, ioloop: IOLoop, token_key: bytes, on_end: "Callable[[HeaderReader, str], None]"
    ) -> None:
        self._header = b""
        self._length_bytes = FIXED_BYTES
        self._token_key = token_key
        self._on_end = on_end
        self._is_given = False
        super().__init__(sock, ioloop=ioloop)

    @override
    def handle_read(self) -> None:
        try:
            data = self.recv(self._length_bytes - len(self._header))
        except _RetryError:
            return
        self._header += data
        if not data or len(self._header) < self._length_bytes:
            return
        try:
            if self._length_bytes == FIXED_BYTES and (body := body_length_bytes(self._header)):
                self._length_bytes += body
                return
            source = decode_signed(self._header, self._token_key, clock.now_s()).source
        except ProxyHeaderError as error:
            log.warning("bad PROXY header on a passive port", why=str(error))
            self.close()
            return
        if source is None:
            log.warning("a probe on a passive port")
            self.close()
            return
        self.del_channel()
        self._is_given = True
        self._on_end(self, source[0])

    @override
    def close(self) -> None:
        if not (self._is_given or self._closed):
            super().close()
            self._on_end(self, "")

    @override
    def handle_close(self) -> None:
        self.close()

    @override
    def handle_error(self) -> None:
        log.error("a data connection's header failed", exc_info=sys.exception())
        self.close()
