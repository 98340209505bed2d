"""An address that takes no packet any more, as a host without power: a connection to it is never answered."""

import socket


class DeafAddress:
    """A listener whose backlog is full, so that the kernel drops every SYN packet to it."""

    def __init__(self, address: tuple[str, int]) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(0)
        self._sockets = [listener, *(socket.socket() for _ in range(3))]
        for filler in self._sockets[1:]:
            filler.setblocking(False)
            filler.connect_ex(address)

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
