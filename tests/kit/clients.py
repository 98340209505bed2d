"""FTP clients as the standard library has them, logged in or closed: a refused login leaves no socket behind."""

import socket
import ssl
from ftplib import FTP, FTP_TLS
from pathlib import Path
from typing import Any

TIMEOUT_S = 30


def plain_client(address: str, port: int, account: str = "", password: str = "") -> FTP:
    """A client logged in over plain FTP; without an account as anonymous."""
    return _logged_in(FTP(timeout=TIMEOUT_S), address, port, account, password)


def secure_client(
    address: str, port: int, account: str, password: str, ca: Path, *, check_name: bool = True
) -> FTP_TLS:
    """A client logged in over explicit FTPS, whose data connections are private too; the CA must have signed."""
    context = ssl.create_default_context(cafile=str(ca))
    context.check_hostname = check_name
    client = FTP_TLS(timeout=TIMEOUT_S, context=context)
    _logged_in(client, address, port, account, password)
    client.prot_p()
    return client


class ImplicitFtps(FTP_TLS):
    """Implicit FTPS, which the standard library lacks: TLS from the first byte, and private data without PROT."""

    def connect(self, host: str = "", port: int = 0, timeout: float = TIMEOUT_S, source_address: Any = None) -> str:
        self.host, self.port, self.timeout = host, port, timeout
        plain = socket.create_connection((host, port), timeout, source_address)
        self.af = plain.family
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        self._prot_p = True
        return self.welcome


def _logged_in(client: FTP, address: str, port: int, account: str, password: str) -> FTP:
    try:
        client.connect(address, port)
        client.login(account, password)
    except BaseException:
        client.close()
        raise
    return client
