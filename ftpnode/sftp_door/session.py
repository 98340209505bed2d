"""One SFTP client's session: who it is, what it may open, and when it has to go."""

import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)
from typing_extensions import override

from cluster import clock
from cluster.live import LiveSession
from cluster.log import logger
from cluster.password import password_is_right
from cluster.public_key import key_blob
from cluster.settings import Settings
from ftpnode.commands.login import count_against, ensure_home
from ftpnode.core.ban import is_within
from ftpnode.core.login import Candidate, candidate
from ftpnode.core.reload import login_after
from ftpnode.paces import Direction
from ftpnode.sftp_door.files import Files
from ftpnode.sftp_door.wire import Wire

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.off_loop import OffLoop
    from ftpnode.service import Service

log = logger(__name__)

_CHANNELS: Final = 8
_VERSION: Final = "SSH-2.0-Tripod"


class Session(paramiko.ServerInterface):
    """One client. Its methods run in paramiko's threads, but for `start`, `overdue` and `hang_up`."""

    def __init__(self, service: "Service", site: str, remote_ip: str, threads: "OffLoop") -> None:
        self.service = service
        self.threads = threads
        self.id = secrets.token_hex(4)
        self.remote_ip = remote_ip
        self.doing: tuple[str, str] = ("", "")
        self.bytes_up = 0
        self.bytes_down = 0
        self.login: Candidate | None = None
        self._site = site
        self._socket: socket.socket | None = None
        self._transport: paramiko.Transport | None = None
        self._how = ""
        self._over = threading.Event()
        self._failed_logins = 0
        self._channels: set[int] = set()
        self._busy = 0
        self.started_s = self._touched_s = clock.monotonic_s()

    def start(self, sock: socket.socket, host_key: paramiko.PKey, ended: "Callable[[Session], None]") -> None:
        """Begin the SSH handshake in a thread of its own; `ended` is called there when the connection is over."""
        self._socket = sock
        self._transport = transport = _Transport(sock, lambda: self._end(ended))
        transport.local_version = _VERSION
        transport.add_server_key(host_key)
        transport.set_subsystem_handler("sftp", Wire, Files)
        transport.start_server(event=threading.Event(), server=self)

    def hang_up(self) -> None:
        """Cut the connection; from any thread, and it does not wait."""
        self._over.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def overdue(self, now_s: float) -> str | None:
        """Why the session has to end now; None when it may stay."""
        limits = self.service.limits
        if self._has_failed_too_often():
            return "too many failed logins"
        if self._busy:
            return None
        if self.login is None and now_s - self.started_s > limits.login_timeout_s:
            return "too long without a login"
        return "idle for too long" if now_s - self._touched_s > limits.idle_timeout_s else None

    def seen(self, now_s: float) -> LiveSession:
        """What it does at this moment: the request that runs or ran last, if a file is open."""
        command, path = self.doing
        return LiveSession(
            id=self.id,
            site=self._site,
            account=self.login.name if self.login else "",
            client=self.remote_ip,
            seconds=round(now_s - self.started_s, 1),
            command=command,
            path=path,
            bytes_up=self.bytes_up,
            bytes_down=self.bytes_down,
        )

    def follow(self, settings: Settings) -> None:
        """Go on by these settings, or end at once."""
        if self.login is not None:
            after = login_after(self.login, self._site, settings)
            self.login = after or self.login
            if after is None:
                self.hang_up()

    def kick(self) -> None:
        """End it at once: SSH has no words for it that clients show."""
        self.hang_up()

    @property
    def who(self) -> dict[str, Any]:
        """The session, for logs."""
        name = self.login.name if self.login else None
        return {"session": self.id, "site": self._site, "client": self.remote_ip, "account": name, "door": "sftp"}

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """While this lasts the client waits for us and is not idle."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self.touch()

    def touch(self) -> None:
        """The client has asked for something."""
        self._touched_s = clock.monotonic_s()

    def keep_pace(self, direction: Direction, moved_bytes: int) -> None:
        """Count file content that was moved, and rest for as long as the account's rate demands."""
        if direction == "up":
            self.bytes_up += moved_bytes
        else:
            self.bytes_down += moved_bytes
        assert self.login is not None, "files are open after a login"
        pause_s = self.service.tally.moved(self.login, direction, moved_bytes, clock.monotonic_s())
        if pause_s:
            with self.at_work():
                self._over.wait(pause_s)

    def channel_over(self, number: int) -> None:
        """An SFTP channel has ended."""
        self._channels.discard(number)

    def _end(self, ended: "Callable[[Session], None]") -> None:
        self._over.set()
        ended(self)

    # --- logging in

    @override
    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    @override
    def check_auth_password(self, username: str, password: str | bytes) -> int:
        """As PASS: an unknown account takes as long as a wrong password. Anonymous accounts are unknown here."""
        banned = self.service.tally.is_banned(self.remote_ip, clock.monotonic_s())
        if banned or self._has_failed_too_often():
            return AUTH_FAILED
        given = password if isinstance(password, str) else password.decode("utf-8", "replace")
        found = self._candidate(username)
        with self.at_work():
            if self._is_right(found, given):
                self._how = "password"
                return AUTH_SUCCESSFUL
            self._over.wait(self.service.limits.login_delay_s)
            self._failed_logins += 1
            self.threads.soon(lambda: count_against(self.service, self.remote_ip, self.who))
            return self._refuse(username, "wrong password")

    @override
    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Asked first whether a key would do, then with a signature that paramiko has verified (RFC 4252 section 7).

        A key that does not fit is no guess at a secret: clients offer all they have. paramiko ends it after ten.
        """
        found = self._candidate(username)
        if found is None or key.asbytes() not in {key_blob(line) for line in found.account.public_keys}:
            log.debug("key refused", user=username, **self.who)
            return AUTH_FAILED
        self._how = "public key"
        return AUTH_SUCCESSFUL

    def _candidate(self, user: str) -> Candidate | None:
        settings = self.service.settings
        found = candidate(settings.sites[self._site], settings.accounts, user)
        if found is None or found.account.password is None:
            return None
        networks = found.account.limits.networks
        return None if networks and not is_within(self.remote_ip, networks) else found

    def _has_failed_too_often(self) -> bool:
        return self._failed_logins >= self.service.limits.login_attempts

    def _is_right(self, found: Candidate | None, given: str) -> bool:
        """Whether the password is; none is for an account that needs more than that, a certificate or here a key."""
        hashed = found.account.password if found and found.account.client_certificate != "required" else None
        verified = self.service.verified_passwords
        if hashed is not None and verified.knows(hashed, given, clock.monotonic_s()):
            return True
        right = self.service.workers.passwords.submit(password_is_right, hashed, given).result()
        if right and hashed is not None:
            verified.remember(hashed, given, clock.monotonic_s())
        return right

    def _welcome(self) -> None:
        """Its first channel: now paramiko vouches for the user, who was asked about in steps until here."""
        found = self._candidate(self._transport.get_username() or "") if self._transport else None
        if found is None or self._is_one_too_many(found):
            return
        self.login = found
        with self.at_work():
            home = self.login.account.home.strip("/")
            if home not in self.service.homes_seen:
                self.service.workers.fetches.submit(ensure_home, self.service, home, self.login).result()
        self.service.metrics.logins.labels(account=self.login.name, result="welcome").inc()
        log.info("login", user=self.login.name, how=self._how, **self.who)

    def _is_one_too_many(self, found: Candidate) -> bool:
        why = self.service.sessions.log_in(self, found.name, found.account.limits)
        if why is not None:
            self.service.metrics.logins.labels(account=found.name, result="too many").inc()
            log.warning("login refused", user=found.name, why=why, **self.who)
        return why is not None

    def _refuse(self, user: str, why: str) -> int:
        self.service.metrics.logins.labels(account="", result=why).inc()
        log.warning("login refused", user=user, why=why, attempt=self._failed_logins, **self.who)
        return AUTH_FAILED

    # --- after the login: SFTP and nothing else

    @override
    def check_channel_request(self, kind: str, chanid: int) -> int:
        if self.login is None:
            self._welcome()
        if self.login is None or kind != "session" or len(self._channels) >= _CHANNELS:
            return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        self._channels.add(chanid)
        return OPEN_SUCCEEDED


class _Transport(paramiko.Transport):
    """A transport that says when it is over."""

    def __init__(self, sock: socket.socket, over: Callable[[], None]) -> None:
        super().__init__(sock)
        self._when_over = over

    @override
    def run(self) -> None:
        try:
            super().run()
        finally:
            self._when_over()
