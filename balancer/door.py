"""A listening socket behind which somebody waits for clients."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from cluster.log import logger

log = logger(__name__)

_ACCEPTS_AT_ONCE: Final = 64
_NO_DESCRIPTOR_S: Final = 1.0

Address = tuple[str, int]


class Door:
    """Lets clients in until it is `shut`: `on_client` has their sockets. The listener is somebody else's to close.

    Not asyncio's own server: closing that one drops who was accepted in the same turn of the loop.
    """

    def __init__(self, listener: socket.socket, on_client: Callable[[socket.socket, Address], None]) -> None:
        self._listener = listener
        self._on_client = on_client
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._loop.add_reader(listener, self._accept)

    def shut(self) -> None:
        """Let nobody in any more."""
        self._is_open = False
        self._loop.remove_reader(self._listener)

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                sock, client = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor is left
                log.warning("nobody can be let in for a while", why=error.strerror)
                self._loop.remove_reader(self._listener)
                self._loop.call_later(_NO_DESCRIPTOR_S, self._listen_again)
                return
            sock.settimeout(0.0)
            self._on_client(sock, client[:2])

    def _listen_again(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._listener, self._accept)
