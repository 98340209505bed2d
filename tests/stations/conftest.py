"""A plain pyftpdlib server in a thread: an implementation of FTP that the stations did not bring along."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.handlers.ftp.dispatchers import ActiveDTP
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from tests.kit.wait import PATIENCE_S

PASSWORDS = {"station": "pegel-17", "lansurvey": "limes-23", "servicedesk": "theodolit-5"}


class BackslashFS(AbstractedFS):
    """As on the servers these receivers were built for, a backslash separates folders."""

    def ftpnorm(self, ftppath):
        return super().ftpnorm(ftppath.replace("\\", "/"))


class Connector(ActiveDTP):
    """pyftpdlib 2.2 closes it once more at QUIT, and so makes the loop forget whoever has its descriptor then."""

    def handle_connect(self):
        super().handle_connect()
        self._closed = True


@dataclass
class FtpServer:
    """A running server; `die()` ends it as a killed process would.

    `commands` are those it received; `refuse` says what it answers to a verb instead of obeying.
    """

    root: Path
    certificate: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    die_after_bytes: int | None = None
    refuse: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    clients: set[str] = field(default_factory=set)

    def start(self) -> "FtpServer":
        self._sockets = []
        self._ioloop = IOLoop()
        self._server = FTPServer((self.host, self.port), self._handler(), ioloop=self._ioloop)
        self.port = self._server.address[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def die(self) -> None:
        self._stop.set()

    def join(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while not self._stop.is_set():
            self._ioloop.loop(timeout=0.02, blocking=False)
        self._server.close_all()
        for each in self._sockets:  # pyftpdlib forgets those that it was just accepting
            each.close()

    def _handler(self):
        server = self
        authorizer = DummyAuthorizer()
        for account, home in (("station", "Station"), ("lansurvey", "Data"), ("servicedesk", "")):
            (self.root / home).mkdir(parents=True, exist_ok=True)
            authorizer.add_user(account, PASSWORDS[account], str(self.root / home), perm="elradfmwMT")
        authorizer.add_anonymous(str(self.root / "Data"), perm="elr")

        class Dtp(TLS_DTPHandler if self.certificate else DTPHandler):
            def __init__(self, sock, *args):
                server._sockets.append(sock)
                super().__init__(sock, *args)

            def recv(self, size):
                if server.die_after_bytes is not None and self.get_transmitted_bytes() >= server.die_after_bytes:
                    server.die()
                return super().recv(size)

        class Handler(TLS_FTPHandler if self.certificate else FTPHandler):
            def __init__(self, conn, *args, **kwargs):
                server._sockets.append(conn)
                super().__init__(conn, *args, **kwargs)
                self._current_type = "i"  # a receiver that never says TYPE means binary

            def pre_process_command(self, line, cmd, arg):
                server.commands.append(line)
                server.clients.add(self.remote_ip)
                if cmd in server.refuse:
                    self.respond(server.refuse[cmd])
                else:
                    super().pre_process_command(line, cmd, arg)

        Handler.authorizer = authorizer
        Handler.abstracted_fs = BackslashFS
        Handler.dtp_handler = Dtp
        Handler.active_dtp = Connector
        Handler.auth_failed_timeout = 0
        if self.certificate:
            Handler.certfile = str(self.certificate)
        return Handler


@pytest.fixture
def ftp_server(tmp_path):
    server = FtpServer(tmp_path / "root").start()
    yield server
    server.join()


@pytest.fixture
def tls_server(tmp_path):
    authority = trustme.CA()
    certificate = tmp_path / "server.pem"
    issued = authority.issue_cert("localhost")
    certificate.write_bytes(issued.private_key_pem.bytes() + b"".join(each.bytes() for each in issued.cert_chain_pems))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = FtpServer(tmp_path / "root", certificate=certificate).start()
    for folder in ("Station", "Data"):
        # pyftpdlib 2.2 may end the TLS of an empty listing before its handshake is over.
        (server.root / folder / "README").write_bytes(b"not empty")
    yield server
    server.join()
