"""One SFTP client's session: what it does and moves, and when it has to go."""

import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final, TypeVar

import paramiko
from paramiko.common import DEFAULT_WINDOW_SIZE
from typing_extensions import override

from cluster import clock
from cluster.live import LiveSession
from cluster.settings import Settings
from ftpnode.core.log_lines import CommandDone
from ftpnode.core.login import Candidate
from ftpnode.core.reload import login_after
from ftpnode.paces import Direction
from ftpnode.sftp_door.login import Login
from ftpnode.sftp_door.upload import Upload
from ftpnode.sftp_door.wire import Wire

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.off_loop import OffLoop
    from ftpnode.service import Service
    from ftpnode.sftp_door.handle import Handle

T = TypeVar("T")

_VERSION: Final = "SSH-2.0-Tripod"
_CHANNELS: Final = 8
_UNREAD_BYTES: Final = 2 * _CHANNELS * DEFAULT_WINDOW_SIZE


class Session:
    """One client. `start`, `watch`, `follow`, `kick` are called on the loop, the rest in paramiko's threads.

    A session has a thread of paramiko's, and one for each SFTP channel; what several of them count is under a lock.
    """

    def __init__(self, service: "Service", site: str, remote_ip: str, threads: "OffLoop") -> None:
        self.service = service
        self.threads = threads
        self.id = secrets.token_hex(4)
        self.site = site
        self.remote_ip = remote_ip
        self.login: Candidate | None = None
        self.failed_logins = 0
        self.is_over = False
        """Whether we have ended it: what its client still asked for is not done any more."""
        self._socket: socket.socket | None = None
        self._transport: _Transport | None = None
        self._gone = threading.Event()
        self._lock = threading.Lock()
        self._doing = ("", "")
        self._handles: set[Handle] = set()
        self._bytes_up = 0
        self._bytes_down = 0
        self._busy = 0
        self._channels = 0
        self._working_channels: set[int] = set()
        self._sending_since_s: dict[int, float] = {}
        self.started_s = self._touched_s = clock.monotonic_s()

    # --- on the loop

    def start(self, sock: socket.socket, host_key: paramiko.PKey, ended: "Callable[[Session], None]") -> None:
        """Begin the SSH handshake in a thread of its own; `ended` is called there when the connection is over."""
        self._socket = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # an answer must not wait for an acknowledgement
        self._transport = transport = _Transport(sock, lambda: self._end(ended))
        transport.local_version = _VERSION
        transport.add_server_key(host_key)
        transport.set_subsystem_handler("sftp", Wire)
        transport.start_server(event=threading.Event(), server=Login(self))

    def hang_up(self) -> None:
        """Cut the connection; from any thread, and it does not wait."""
        self.is_over = True
        self._gone.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def overdue(self, now_s: float) -> str | None:
        """Why the session has to end now; None when it may stay."""
        limits = self.service.limits
        if self.has_failed_too_often:
            return "too many failed logins"
        if self._transport is not None and self._transport.unread_bytes() > _UNREAD_BYTES:
            return "it sends more than its window allows"
        with self._lock:
            if any(now_s - since_s > limits.transfer_stall_s for since_s in self._sending_since_s.values()):
                return "it does not take what it asked for"
            if self._busy:
                return None
        if self.login is None and now_s - self.started_s > limits.login_timeout_s:
            return "too long without a login"
        return "idle for too long" if now_s - self._touched_s > limits.idle_timeout_s else None

    def watch_uploads(self, now_s: float) -> None:
        """Cut the uploads that stand still or trickle; the session stays, and learns it from the next answer."""
        with self._lock:
            is_ours = self._busy > 0
            uploads = [handle for handle in self._handles if isinstance(handle, Upload)]
        for upload in uploads:
            ending = upload.watch(now_s, is_ours=is_ours)
            if ending is not None:
                self.service.workers.disk.submit(upload.cut, ending)

    def seen(self, now_s: float) -> LiveSession:
        """What it does at this moment: the file that was opened last, if one is open."""
        with self._lock:
            command, path = self._doing if self._handles else ("", "")
            return LiveSession(
                id=self.id,
                site=self.site,
                account=self.login.name if self.login else "",
                client=self.remote_ip,
                seconds=round(now_s - self.started_s, 1),
                command=command,
                path=path,
                bytes_up=self._bytes_up,
                bytes_down=self._bytes_down,
            )

    def follow(self, settings: Settings) -> None:
        """Go on by these settings, or end at once."""
        if self.login is not None:
            after = login_after(self.login, self.site, settings)
            self.login = after or self.login
            if after is None:
                self.hang_up()

    def kick(self) -> None:
        """End it at once: SSH has no words for it that clients show."""
        self.hang_up()

    # --- in the session's threads

    @property
    def who(self) -> dict[str, Any]:
        """The session, for logs."""
        name = self.login.name if self.login else None
        return {"session": self.id, "site": self.site, "client": self.remote_ip, "account": name, "door": "sftp"}

    @property
    def user(self) -> str:
        """Who has logged in, by paramiko's word."""
        return (self._transport.get_username() if self._transport else None) or ""

    @property
    def has_failed_too_often(self) -> bool:
        """Whether it may guess no more."""
        return self.failed_logins >= self.service.limits.login_attempts

    def channel_begins(self) -> bool:
        """Whether the client may have one more channel, which it has then."""
        with self._lock:
            has_room = self._channels < _CHANNELS
            self._channels += has_room
            return has_room

    def channel_works(self, number: int) -> bool:
        """Whether SFTP may begin on this channel: once, because every beginning is a thread."""
        with self._lock:
            is_new = number not in self._working_channels
            self._working_channels.add(number)
            return is_new

    def channel_ends(self, number: int) -> None:
        """SFTP on this channel is over, and with it the channel."""
        with self._lock:
            self._working_channels.discard(number)
            self._channels -= 1

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """While this lasts the client waits for us and is not idle."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1
            self.touch()

    @contextlib.contextmanager
    def sending(self, channel: int) -> Iterator[None]:
        """While this lasts we wait for the client to take what it asked for."""
        with self._lock:
            self._sending_since_s[channel] = clock.monotonic_s()
        try:
            yield
        finally:
            with self._lock:
                del self._sending_since_s[channel]

    def touch(self) -> None:
        """The client has asked for something."""
        self._touched_s = clock.monotonic_s()

    def pause_s(self, direction: Direction, moved_bytes: int) -> float:
        """Count file content that was moved; returns for how long the account's rate demands a rest."""
        with self._lock:
            if direction == "up":
                self._bytes_up += moved_bytes
            else:
                self._bytes_down += moved_bytes
        assert self.login is not None, "files are open after a login"
        return self.service.tally.moved(self.login, direction, moved_bytes, clock.monotonic_s())

    def rest(self, pause_s: float) -> None:
        """Do nothing for so long, or until the session ends."""
        with self.at_work():
            self._gone.wait(pause_s)

    def in_pool(self, pool: Executor, work: Callable[[], T]) -> T:
        """What `work` returns, done in a pool, so that all clients together are bounded as those of the FTP door."""
        with self.at_work():
            return pool.submit(work).result()

    def publishing(self, publish: Callable[[], T]) -> T:
        """What `publish` returns, done among the bounded publishes, which the node's end waits for."""
        service, began_s = self.service, clock.monotonic_s()
        self.threads.soon(lambda: _count_publishing(service, 1))
        try:
            return self.in_pool(service.workers.publishes, publish)
        finally:
            service.metrics.publish_seconds.observe(clock.monotonic_s() - began_s)
            self.threads.soon(lambda: _count_publishing(service, -1))

    def transfer_begins(self, doing: str, handle: "Handle") -> None:
        """A file is open."""
        with self._lock:
            self._handles.add(handle)
            self._doing = (doing, handle.view)
        self.threads.soon(lambda: _count_transfers(self.service, 1))

    def transfer_ends(self, handle: "Handle") -> None:
        """A file is open no more."""
        with self._lock:
            self._handles.remove(handle)
        self.threads.soon(lambda: _count_transfers(self.service, -1))

    def log_command(
        self, command: str, argument: str, reply_code: str, *, moved_bytes: tuple[int, int] = (0, 0), seconds: float = 0
    ) -> None:
        """Write a request and its answer into the access log; `moved_bytes` are up and down."""
        logs = self.service.access_logs
        if not logs.wants_commands:
            return
        logs.command(
            CommandDone(
                at=clock.utc_now(),
                client=self.remote_ip,
                account=self.login.name if self.login else "",
                server=self.service.node.address,
                port=self.service.settings.sites[self.site].sftp_port or 0,
                command=command,
                argument=argument,
                reply_code=reply_code,
                sent_bytes=moved_bytes[1],
                received_bytes=moved_bytes[0],
                seconds=seconds,
                session=self.id,
            )
        )

    def _end(self, ended: "Callable[[Session], None]") -> None:
        self._gone.set()
        ended(self)


def _count_publishing(service: "Service", step: int) -> None:
    service.publishing += step


def _count_transfers(service: "Service", step: int) -> None:
    service.sessions.transfers += step


class _Transport(paramiko.Transport):
    """A transport that says when it is over, and how much it holds: paramiko takes also what no window allows."""

    def __init__(self, sock: socket.socket, over: Callable[[], None]) -> None:
        super().__init__(sock)
        self._when_over = over

    @override
    def run(self) -> None:
        try:
            super().run()
        finally:
            self._when_over()

    def unread_bytes(self) -> int:
        """How much the client has sent that nobody has read yet; from any thread."""
        own: Any = self
        channels = own._channels.values()  # noqa: SLF001 - paramiko shows its channels nowhere else
        return sum(len(channel.in_buffer) + len(channel.in_stderr_buffer) for channel in channels)
