"""One data connection: receives an upload or sends a download, and reports exactly once how it ended.

pyftpdlib answers 226 whenever the connection is gone, be it by FIN, RST or a TLS stream cut short, and it closes a
connection that is early. Here the manner of the ending is kept for `ftpnode.core.verdict`, and who is early waits.
"""

import contextlib
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from OpenSSL import SSL
from pyftpdlib.exceptions import _RetryError
from pyftpdlib.handlers import DTPHandler, TLS_DTPHandler
from pyftpdlib.handlers.ftp.producers import FileProducer
from pyftpdlib.ioloop import _ERRNOS_DISCONNECTED, _ERRNOS_RETRY, AsyncChat, _CallLater
from typing_extensions import override

from cluster import clock
from cluster.log import logger
from cluster.tls_identity import client_certificate, session_was_reused
from ftpnode.core.bandwidth import chunk_bytes
from ftpnode.core.pace import ending_by_pace
from ftpnode.core.verdict import Ending
from ftpnode.paces import Direction, rate
from ftpnode.trouble import ending_of

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session
    from ftpnode.staging import StagedFile

log = logger(__name__)

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class PlainDataConnection(DTPHandler):
    """What plain and TLS connections share.

    It stands below TLS_DTPHandler in the order of classes, because pyftpdlib's TLS mixin calls `super().handle_close()`
    and `super().close()`: overrides above it would be passed by.
    """

    cmd_channel: "Session"
    ac_in_buffer_size = 1 << 20  # at 256 KiB one upload is 0.6 as fast as vsftpd, at 1 MiB as fast
    _staged: "StagedFile | None" = None
    _grew: Callable[[], None]
    _ending: Ending | None = None
    _saw_fin = False
    _sending = False
    _is_foreign = False
    _ask: Callable[[], None] | None = None
    _moved_before_bytes = 0
    _resting: _CallLater | None = None

    def __init__(self, sock: socket.socket, cmd_channel: "Session") -> None:
        self.timeout = cmd_channel.service.limits.transfer_stall_s
        super().__init__(sock, cmd_channel)

    def receive_into(self, staged: "StagedFile", grew: Callable[[], None]) -> None:
        """Take the client's bytes from now on; `grew` is called after each time that some were written."""
        self._staged = staged
        self._grew = grew
        self.ac_in_buffer_size = chunk_bytes(self._rate("up"), self.ac_in_buffer_size)
        self.receive = True
        self._begin(self.ioloop.READ)

    def send_slices(self, ask: Callable[[], None]) -> None:
        """Send what comes by `send_slice`; `ask` is called for each slice, the next when the last was sent."""
        self._sending = True
        self._ask = ask
        self._begin(0)
        if not self._closed:
            ask()

    def send_slice(self, content: bytes, *, is_last: bool) -> None:
        """Send these bytes, and close after the last ones."""
        if self._closed:
            return
        ask = self._ask
        if is_last:
            self._ask = None
        self._listen_for(self.ioloop.WRITE)
        if content:
            self.push(content)
        elif ask is not None and not is_last:
            ask()
        if is_last and not self._closed:
            self.close_when_done()

    @override
    def initiate_send(self) -> None:
        """As DTPHandler's, but asks for the next slice when there is nothing left to send."""
        super().initiate_send()
        if self._ask is not None and not (self._closed or self.producer_fifo):
            self.pause()
            self._ask()

    def send_file(self, file: BinaryIO) -> None:
        """Send the rest of this file and close; with sendfile where the connection is plain."""
        self._sending = True
        self.file_obj = file
        self.ac_out_buffer_size = chunk_bytes(self._rate("down"), self.ac_out_buffer_size)
        self._begin(self.ioloop.WRITE)
        if not self._closed:
            self.push_with_producer(FileProducer(file, "i"))
        if not self._closed:
            self.close_when_done()

    def pause(self) -> None:
        """Leave the client's bytes in the kernel until a command wants them; pyftpdlib would close the connection."""
        self._listen_for(0)

    def end(self, ending: Ending) -> None:
        """Close in an orderly way; `ending` is what is reported."""
        self._ending = self._ending or ending
        self.close()

    def cut(self, ending: Ending) -> None:
        """Close so that the client cannot take what it got for a whole file: RST, and no close_notify."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._error = True  # tells the TLS mixin not to say close_notify
        self.end(ending)

    @override
    def recv(self, buffer_size: int) -> bytes:
        """As AsyncChat.recv, but remembers whether the end was a FIN or an error."""
        try:
            data = self.socket.recv(buffer_size)
        except OSError as error:
            if error.errno in _ERRNOS_RETRY:
                raise _RetryError from error
            if error.errno in _ERRNOS_DISCONNECTED:
                self.handle_close()
                return b""
            raise
        if not data:
            self._saw_fin = True
            self.handle_close()
        return bytes(data)

    @override
    def handle_read(self) -> None:
        """As DTPHandler.handle_read, but tells a full disk from a broken connection."""
        try:
            chunk = self.recv(self.ac_in_buffer_size)
        except _RetryError:
            return
        if not chunk or self._staged is None:
            return
        self.tot_bytes_received += len(chunk)
        try:
            self._staged.write(chunk)
        except OSError as error:
            self.cut(ending_of(error))
        else:
            self._grew()
            self._keep_pace("up", len(chunk))

    handle_read_event = handle_read

    @override
    def send(self, data: Any) -> int:
        """As DTPHandler.send, but files keep the account's pace; listings come in slices, as asked for."""
        sent_bytes: int = super().send(data)
        if self.file_obj is not None:
            self._keep_pace("down", sent_bytes)
        return sent_bytes

    @override
    def initiate_sendfile(self) -> None:
        """As DTPHandler.initiate_sendfile, but keeps the account's pace."""
        before_bytes = self.tot_bytes_sent
        super().initiate_sendfile()
        self._keep_pace("down", self.tot_bytes_sent - before_bytes)

    @override
    def readable(self) -> bool:
        return self.receive

    @override
    def handle_close(self) -> None:
        """The connection is gone, or all was sent; pyftpdlib would call either a success."""
        if not self._closed:
            ending = self._how_it_ended()
            if ending is Ending.TLS_CUT:  # close_notify would be waited for from who has said FIN already
                self._error = True
            self.end(ending)

    @override
    def handle_timeout(self) -> None:
        """Called every `timeout` seconds; pyftpdlib would end the whole session with an unasked 421."""
        before_bytes, self._moved_before_bytes = self._moved_before_bytes, self._moved_bytes()
        is_slowed = self._rate("down" if self._sending else "up") is not None
        minimum_bytes_per_s = 0 if is_slowed else self.cmd_channel.service.limits.minimum_bytes_per_s
        ending = ending_by_pace(self._moved_before_bytes - before_bytes, self.timeout, minimum_bytes_per_s)
        if ending and self._resting is None:
            self.cut(ending)

    def _moved_bytes(self) -> int:
        """What the client has sent or taken: a slow client's bytes may wait in the kernel for minutes."""
        unsent = fcntl.ioctl(self._fileno, termios.TIOCOUTQ, b"\0" * 4) if self._sending else b"\0" * 4
        return self.get_transmitted_bytes() - int.from_bytes(unsent, sys.byteorder)

    @override
    def close(self) -> None:
        """As DTPHandler.close, but leaves the reply and the file to the transfer."""
        if self._closed:
            return
        AsyncChat.close(self)
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        if self._idler is not None and not self._idler.cancelled:
            self._idler.cancel()
        self.cmd_channel.data_ended(self, self._ending or self._default_ending())

    def _rate(self, direction: Direction) -> int | None:
        login = self.cmd_channel.login
        return rate(login.account.limits, direction) if login is not None else None

    def _keep_pace(self, direction: Direction, moved_bytes: int) -> None:
        """Rest for as long as the account's rate demands; the stall timer does not count that."""
        login = self.cmd_channel.login
        if login is None or self._closed:
            return
        pause_s = self.cmd_channel.service.tally.moved(login, direction, moved_bytes, clock.monotonic_s())
        if pause_s and self._resting is None:
            self._resting = self.ioloop.call_later(pause_s, self._go_on, direction, _errback=self.handle_error)
            self._listen_for(0)

    def _go_on(self, direction: Direction) -> None:
        self._resting = None
        self._listen_for(self.ioloop.READ if direction == "up" else self.ioloop.WRITE)

    def _how_it_ended(self) -> Ending:
        if self._sending and self._ask is None and not self.producer_fifo:
            return Ending.SENT
        if isinstance(self.socket, SSL.Connection):
            return Ending.CLOSE_NOTIFY if self.socket.get_shutdown() & SSL.RECEIVED_SHUTDOWN else Ending.TLS_CUT
        return Ending.CLOSED if self._saw_fin else Ending.RESET

    def _default_ending(self) -> Ending:
        if self.cmd_channel.is_gone:
            return Ending.CONTROL_GONE
        return Ending.TLS_FAILED if isinstance(self.socket, SSL.Connection) else Ending.BROKEN

    def _begin(self, events: int) -> None:
        """The transfer starts, and with it the time in which something must move."""
        if self._is_foreign:
            self.cut(Ending.TLS_FOREIGN)
            return
        if self._idler is not None and not self._idler.cancelled:
            self._idler.reset()
        self._listen_for(events)

    def _listen_for(self, events: int) -> None:
        self._initialized = True
        self.modify_ioloop_events(events)
        self._wanted_io_events = events


class DataConnection(TLS_DTPHandler, PlainDataConnection):
    """A data connection, with TLS when the session asked for it by PROT P."""

    def __init__(self, sock: socket.socket, cmd_channel: "Session") -> None:
        super().__init__(sock, cmd_channel)
        if self.connected and not self._ssl_requested:
            self.pause()

    @override
    def handle_ssl_established(self) -> None:
        if not session_was_reused(self.socket):
            self._not_resumed()
        if not (self.receive or self._sending):
            self.pause()
        elif self._is_foreign:
            self.cut(Ending.TLS_FOREIGN)

    def _not_resumed(self) -> None:
        wanted = self.cmd_channel.data_tls_resumption
        if wanted != "off":
            log.info("data TLS not resumed", wanted=wanted, **self.cmd_channel.who)
        shown = client_certificate(self.cmd_channel.socket)
        is_another = bool(shown) and client_certificate(self.socket) != shown
        if is_another:
            log.warning("data TLS of another client", **self.cmd_channel.who)
        self._is_foreign = is_another or wanted == "require"

    @override
    def handle_failed_ssl_handshake(self) -> None:
        """Pyftpdlib would send its own 522 beside the transfer's reply."""
        self.cut(Ending.TLS_FAILED)

    @override
    def handle_error(self) -> None:
        """A fault of ours or of the disk; pyftpdlib would close without any reply."""
        log.error("a data connection failed", exc_info=sys.exception())
        self.cut(Ending.BROKEN)
