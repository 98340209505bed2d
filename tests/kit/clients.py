"""FTP clients as the standard library has them, logged in or closed: a refused login leaves no socket behind."""

import ssl
from ftplib import FTP, FTP_TLS
from pathlib import Path

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


def _logged_in(client: FTP, address: str, port: int, account: str, password: str) -> FTP:
    try:
        client.connect(address, port)
        client.login(account, password)
    except BaseException:
        client.close()
        raise
    return client
