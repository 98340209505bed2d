import socket
from typing import Any, BinaryIO

from OpenSSL import SSL
from pyftpdlib.ioloop import AsyncChat, IOLoop, _CallLater

class DTPHandler(AsyncChat):
    timeout: float
    file_obj: BinaryIO | None
    receive: bool
    tot_bytes_sent: int
    tot_bytes_received: int
    _error: bool
    _idler: _CallLater | None
    _initialized: bool
    _ssl_requested: bool
    def __init__(self, sock: socket.socket, cmd_channel: Any) -> None: ...
    def send(self, data: Any) -> int: ...
    def initiate_sendfile(self) -> None: ...
    def get_transmitted_bytes(self) -> int: ...
    def handle_timeout(self) -> None: ...

class TLS_DTPHandler(DTPHandler):
    def handle_ssl_established(self) -> None: ...
    def handle_failed_ssl_handshake(self) -> None: ...

class FTPHandler(AsyncChat):
    timeout: float
    remote_ip: str
    remote_port: int
    _current_type: str
    _in_buffer: list[bytes]
    _in_buffer_len: int
    _idler: _CallLater | None
    _dtp_acceptor: Any
    _dtp_connector: Any
    def __init__(self, conn: socket.socket, server: object, ioloop: IOLoop | None = None) -> None: ...
    def handle(self) -> None: ...
    def handle_timeout(self) -> None: ...
    def on_disconnect(self) -> None: ...
    def log(self, msg: str, logfun: object = None) -> None: ...
    def _shutdown_connecting_dtp(self) -> None: ...

class TLS_FTPHandler(FTPHandler):
    ssl_context: SSL.Context | None
    _error: bool
    _prot: bool
    _ssl_accepting: bool
    @classmethod
    def get_ssl_context(cls) -> SSL.Context | None: ...
    def secure_connection(self, ssl_context: SSL.Context) -> None: ...
