"""Lets SFTP clients in: by password or public key, into channels of SFTP and nothing else."""

from typing import TYPE_CHECKING

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)
from typing_extensions import override

from cluster import clock
from cluster.log import logger
from cluster.password import password_is_right
from cluster.public_key import key_blob
from ftpnode.commands.login import count_against, ensure_home
from ftpnode.core.ban import is_within
from ftpnode.core.login import Candidate, candidate
from ftpnode.trouble import CommandRefusedError

if TYPE_CHECKING:
    from ftpnode.sftp_door.session import Session

log = logger(__name__)

_SUCCESS, _FAILURE = "52", "51"  # SSH_MSG_USERAUTH_SUCCESS and _FAILURE (RFC 4252 section 6)


class Login(paramiko.ServerInterface):
    """What paramiko asks about one client, in the thread of its connection."""

    def __init__(self, session: "Session") -> None:
        self.session = session
        self._service = session.service
        self._how = ""

    @override
    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    @override
    def check_auth_password(self, username: str, password: str | bytes) -> int:
        """As PASS: an unknown account takes as long as a wrong password. Anonymous accounts are unknown here."""
        session, service = self.session, self._service
        if session.has_failed_too_often or self._is_banned():
            return AUTH_FAILED
        given = password if isinstance(password, str) else password.decode("utf-8", "replace")
        found = self._candidate(username)
        with session.at_work():
            if self._is_right(found, given):
                self._how = "password"
                return AUTH_SUCCESSFUL
            session.rest(service.limits.login_delay_s)
            session.failed_logins += 1
            count_against(service, session.remote_ip, session.who)
        service.metrics.logins.labels(account="", result="wrong password").inc()
        attempt = session.failed_logins
        log.warning("login refused", user=username, why="wrong password", attempt=attempt, **session.who)
        session.log_command("USERAUTH", username, _FAILURE)
        return AUTH_FAILED

    @override
    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Asked first whether a key would do, then with a signature that paramiko has verified (RFC 4252 section 7).

        A key that does not fit is no guess at a secret: clients offer all they have. paramiko ends it after ten.
        """
        found = self._candidate(username)
        if found is None or key.asbytes() not in {key_blob(line) for line in found.account.public_keys}:
            log.debug("key refused", user=username, **self.session.who)
            return AUTH_FAILED
        self._how = "public key"
        return AUTH_SUCCESSFUL

    @override
    def check_channel_request(self, kind: str, chanid: int) -> int:
        session = self.session
        if session.login is None:
            self._welcome()
        if session.login is None or kind != "session" or not session.channel_begins():
            return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return OPEN_SUCCEEDED

    @override
    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        return self.session.channel_works(channel.get_id()) and super().check_channel_subsystem_request(channel, name)

    def _candidate(self, user: str) -> Candidate | None:
        settings = self._service.settings
        found = candidate(settings.sites[self.session.site], settings.accounts, user)
        if found is None or found.account.password is None:
            return None
        networks = found.account.limits.networks
        return None if networks and not is_within(self.session.remote_ip, networks) else found

    def _is_right(self, found: Candidate | None, given: str) -> bool:
        """Whether the password is; none is for an account that needs more than that, a certificate or here a key."""
        hashed = found.account.password if found and found.account.client_certificate != "required" else None
        verified = self._service.verified_passwords
        if hashed is not None and verified.knows(hashed, given, clock.monotonic_s()):
            return True
        right = self._service.workers.passwords.submit(password_is_right, hashed, given).result()
        if right and hashed is not None:
            verified.remember(hashed, given, clock.monotonic_s())
        return right

    def _is_banned(self) -> bool:
        try:
            return self._service.tally.is_banned(self.session.remote_ip, clock.monotonic_s())
        except CommandRefusedError as error:  # nobody can say now
            log.warning("login refused", why=str(error), **self.session.who)
            return True

    def _welcome(self) -> None:
        """Its first channel: now paramiko vouches for the user, who was asked about in steps until here."""
        session, service = self.session, self._service
        found = self._candidate(session.user)
        if found is None or not self._is_let_in(found):
            return
        session.login = found
        with session.at_work():
            home = found.account.home.strip("/")
            if home not in service.homes_seen:
                service.workers.fetches.submit(ensure_home, service, home, found).result()
        service.metrics.logins.labels(account=found.name, result="welcome").inc()
        log.info("login", user=found.name, how=self._how, **session.who)
        session.log_command("USERAUTH", found.name, _SUCCESS)

    def _is_let_in(self, found: Candidate) -> bool:
        why = self._service.sessions.log_in(self.session, found.name, found.account.limits)
        if why is not None:
            self._service.metrics.logins.labels(account=found.name, result="too many").inc()
            log.warning("login refused", user=found.name, why=why, **self.session.who)
        return why is None
