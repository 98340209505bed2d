"""FTP connections as receivers make them: the standard library's client with a persona's habits on top."""

import ftplib
import socket
import ssl
import threading
from typing import Final

import msgspec
from typing_extensions import override

from stations.persona import Persona

CLIENT_ERRORS: Final[tuple[type[Exception], ...]] = (*ftplib.all_errors, ValueError)
"""All that a broken connection or an odd answer can raise from ftplib; ValueError is an answer it cannot parse."""

CHUNK_BYTES: Final = 1 << 16
_STEPS_PER_S: Final = 20


class Entrance(msgspec.Struct, frozen=True, kw_only=True):
    """Where and as whom a client enters. `source_ip` binds the local end of all its connections."""

    host: str
    port: int
    account: str
    password: str
    timeout_s: float = 30.0
    source_ip: str | None = None


class StationClient(ftplib.FTP):
    """A plain FTP connection that speaks with a persona's accent."""

    def __init__(self, persona: Persona, entrance: Entrance) -> None:
        """Connect and log in; raises one of CLIENT_ERRORS, and leaves no socket open then."""
        self._persona = persona
        source = (entrance.source_ip, 0) if entrance.source_ip else None
        super().__init__(timeout=entrance.timeout_s, source_address=source)
        self.set_pasv(not persona.active)
        _enter(self, entrance)

    @override
    def putcmd(self, line: str) -> None:
        verb, space, argument = line.partition(" ")
        super().putcmd(f"{verb.lower()}{space}{argument}" if self._persona.lower_case else line)

    @override
    def makepasv(self) -> tuple[str, int]:
        if not self._persona.extended:
            return super().makepasv()
        assert self.sock is not None
        answer = self.sendcmd("EPSV")
        return ftplib.parse229(answer, self.sock.getpeername())  # noqa: S321 - FTP is what this product is about


class DeskClient(ftplib.FTP_TLS):
    """An explicit FTPS connection (RFC 4217) whose data connections resume the control connection's TLS session."""

    def __init__(self, entrance: Entrance, context: ssl.SSLContext) -> None:
        """Connect, AUTH TLS, log in, PROT P; raises one of CLIENT_ERRORS, and leaves no socket open then."""
        source = (entrance.source_ip, 0) if entrance.source_ip else None
        super().__init__(timeout=entrance.timeout_s, source_address=source, context=context)
        _enter(self, entrance)
        try:
            self.prot_p()
        except CLIENT_ERRORS:
            self.close()
            raise

    @override
    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        # FTP_TLS would open a fresh TLS session; servers may insist that the data connection belongs to this client.
        data, size = super(ftplib.FTP_TLS, self).ntransfercmd(cmd, rest)
        try:
            control = self.sock
            assert isinstance(control, ssl.SSLSocket)
            return self.context.wrap_socket(data, server_hostname=self.host, session=control.session), size
        except OSError:
            data.close()
            raise


def leave(ftp: ftplib.FTP) -> None:
    """Say goodbye and close; whether the server answers does not matter any more."""
    try:
        ftp.quit()
    except CLIENT_ERRORS:
        ftp.close()


def send_file(ftp: ftplib.FTP, command: str, content: bytes, line_bytes_s: int | None = None) -> None:
    """Open the data connection for `command`, hand it all bytes and end it properly; the reply is not read yet.

    `line_bytes_s` is how fast the line is at most.
    """
    data = ftp.transfercmd(command)
    try:
        if line_bytes_s is None:
            data.sendall(content)
        else:
            _trickle(data, content, line_bytes_s)
        if isinstance(data, ssl.SSLSocket):
            data.unwrap()
    finally:
        data.close()


def received_file(ftp: ftplib.FTP, command: str) -> tuple[bytes, str]:
    """All bytes that `command` sends, and the reply after them; raises one of CLIENT_ERRORS when cut."""
    data = ftp.transfercmd(command)
    pieces: list[bytes] = []
    try:
        while piece := data.recv(CHUNK_BYTES):
            pieces.append(piece)
        if isinstance(data, ssl.SSLSocket):
            data.unwrap()
    finally:
        data.close()
    return b"".join(pieces), ftp.voidresp()


def _trickle(data: socket.socket, content: bytes, line_bytes_s: int) -> None:
    pause, step_bytes = threading.Event(), max(1, line_bytes_s // _STEPS_PER_S)
    for at in range(0, len(content), step_bytes):
        data.sendall(content[at : at + step_bytes])
        pause.wait(1 / _STEPS_PER_S)


def _enter(ftp: ftplib.FTP, entrance: Entrance) -> None:
    try:
        ftp.connect(entrance.host, entrance.port)
        ftp.login(entrance.account, entrance.password)
    except CLIENT_ERRORS:
        ftp.close()
        raise
