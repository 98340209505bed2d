from socket import socket
from typing import Any

from pyftpdlib.ioloop import Acceptor, IOLoop

class FTPServer(Acceptor):
    max_cons: int
    handler: Any
    def __init__(
        self, address_or_socket: tuple[str, int] | socket, handler: type, ioloop: IOLoop | None = None, backlog: int = 100
    ) -> None: ...
