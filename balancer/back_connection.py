"""Opens connections to nodes; a control connection begins with a PROXY header, unless its address says all."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

from balancer.control_leg import ControlLeg
from balancer.core.back_source import Source
from balancer.core.reply import Reply, ReplyError, ReplyReader
from balancer.tls_pump import TlsPump
from balancer.transparent import make_transparent

_PORT_REFUSED: Final = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES})


class BackLeg:
    """The control connection to a node. After `close` it says nothing any more."""

    def __init__(self, node: str, on_reply: Callable[[Reply], None], on_lost: Callable[[str], None]) -> None:
        self.node = node
        self._on_reply = on_reply
        self._on_lost = on_lost
        self._reader = ReplyReader()
        self._open = True
        self._deadline: asyncio.TimerHandle | None = None
        self.leg = ControlLeg(self._received, self._lose)

    @property
    def is_open(self) -> bool:
        """Whether it was neither closed nor lost."""
        return self._open

    def send(self, line: str, patience_s: float) -> None:
        """Send a line; when no reply comes for `patience_s` the leg is lost."""
        self.leg.send(f"{line}\r\n".encode("utf-8", "surrogateescape"))
        self.expect_reply(patience_s)

    def expect_reply(self, patience_s: float) -> None:
        """Give the node `patience_s` from now on."""
        self._forget_deadline()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(patience_s, self._lose, f"no reply for {patience_s:g} s")

    def close(self, *, politely: bool) -> None:
        """Close it; no event comes any more."""
        self._open = False
        self._forget_deadline()
        if politely:
            self.leg.send(b"QUIT\r\n")
            self.leg.close()
        else:
            self.leg.abort()

    def _received(self, data: bytes) -> None:
        try:
            replies = self._reader.feed(data)
        except ReplyError as error:
            self._lose(str(error))
            return
        for answer in replies:
            if self._open:
                self._forget_deadline()
                self._on_reply(answer)

    def _lose(self, why: str) -> None:
        if self._open:
            self.close(politely=False)
            self._on_lost(why)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


async def open_back_leg(
    leg: BackLeg, target: tuple[str, int], source: Source, header: bytes, tls: TlsPump | None, timeout_s: float
) -> None:
    """Connect, send the PROXY header, and begin with TLS where there is to be any; OSError."""
    sock = await connect(target, source, timeout_s)
    await asyncio.get_running_loop().create_connection(lambda: leg.leg, sock=sock)
    leg.leg.send(header)
    if tls is not None:
        leg.leg.start_tls(tls)
    if not leg.is_open:  # reset before we got here: a leg that is lost says so once, and nobody would hear of it again
        raise ConnectionResetError(errno.ECONNRESET, "lost at once")


async def connect(target: tuple[str, int], source: Source, timeout_s: float) -> socket.socket:
    """A connected non-blocking socket; OSError, TimeoutError among them."""
    async with asyncio.timeout(timeout_s):
        if source.port:
            try:
                return await _connect(target, source, source.port)
            except OSError as error:
                if error.errno not in _PORT_REFUSED:
                    raise
        return await _connect(target, source, 0)


async def _connect(target: tuple[str, int], source: Source, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if source.is_foreign:
            make_transparent(sock)
        if port:  # another connection from this port, to elsewhere, is no obstacle
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((source.address, port))
        await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock
