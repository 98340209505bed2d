"""USER, PASS, REIN: who the client is."""

from typing import TYPE_CHECKING, Any, Final

from cluster import clock
from cluster.log import logger
from cluster.password import password_is_right
from cluster.publish import MakeDirectory
from cluster.session_token import token_is_good
from cluster.settings import AccountLimits
from cluster.tree_path import parents
from ftpnode.core.account_limits import NOT_FROM_HERE
from ftpnode.core.admission import BANNED
from ftpnode.core.client_certificate import complaint
from ftpnode.core.login import Candidate, Examination, candidate, examination
from ftpnode.ports import ChangeRefusedError, PublisherUnreachableError, change

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session
    from ftpnode.service import Service

log = logger(__name__)

_NO_LIMITS: Final = AccountLimits()


def user(session: "Session", name: str) -> None:
    """USER: the reply is the same for every name (RFC 2577 section 6)."""
    if session.login is not None:
        session.log_out()
    session.user = name
    session.reply("331 Password please.")


def start_over(session: "Session", _argument: str) -> None:
    """REIN."""
    session.log_out()
    session.reply("220 Ready for a new user.")


def password(session: "Session", text: str) -> None:
    """PASS: a right password is a 230; an unknown account takes as long as a wrong password and reads the same."""
    if session.login is not None:
        session.reply("503 You are logged in.")
        return
    if not session.user:
        session.reply("503 Send USER first.")
        return
    if session.service.tally.is_banned(session.remote_ip, clock.monotonic_s()):  # by what its other sessions guessed
        session.hang_up(BANNED)
        return
    found = candidate(session.site, session.service.settings.accounts, session.user)
    secure = session.client_has_tls
    unknown = _certificate_complaint(session, found)
    match examination(
        found,
        text,
        secure=secure,
        takes_tokens=session.from_balancer or session.service.settings.balancer.transparent,
        certified=unknown is None,
        is_probe=session.is_probe,
    ):
        case Examination.REFUSE_CLEAR:
            also = " and its own client certificate" if found and found.account.client_certificate == "required" else ""
            _refuse(session, f"530 This account needs TLS{also}: use AUTH TLS first.", "needs TLS")
        case Examination.REFUSE_UNKNOWN:
            reply = "530 This account needs its own TLS client certificate; give it to your client and connect again."
            _refuse(session, reply, unknown or "no client certificate")
        case Examination.CHECK_TOKEN if found is not None and _token_is_good(session, found, text):
            _welcome(session, found)
        case Examination.CHECK_TOKEN:
            _refuse(session, "530 Login incorrect.", "bad token")
        case Examination.WELCOME if found is not None:
            _welcome(session, found)
        case _:
            _check(session, found, text)


def _certificate_complaint(session: "Session", found: Candidate | None) -> str | None:
    """Why the client's certificate does not show that it is this account; None when it does."""
    if found is None or found.account.client_certificate == "no":
        return "not asked for"
    return complaint(session.client_certificate, found, session.service.client_authorities, clock.utc_now())


def _token_is_good(session: "Session", found: Candidate, token: str) -> bool:
    names = {found.name, session.user}
    now_s = clock.now_s()
    return any(token_is_good(session.service.token_key, token, session.site_name, name, now_s) for name in names)


def _check(session: "Session", found: Candidate | None, text: str) -> None:
    hashed = found.account.password if found else None
    given = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    verified = session.service.verified_passwords
    if found is not None and hashed is not None and verified.knows(hashed, given, clock.monotonic_s()):
        _welcome(session, found)
        return

    def examined(right: bool) -> None:  # noqa: FBT001 - the value of password_is_right
        if found is not None and hashed is not None and right:
            verified.remember(hashed, given, clock.monotonic_s())
            _welcome(session, found)
        else:
            session.later(
                session.service.limits.login_delay_s, lambda: _refuse(session, "530 Login incorrect.", "wrong password")
            )
            count_against(session.service, session.remote_ip, session.who)

    session.off_loop(session.service.workers.passwords, lambda: password_is_right(hashed, given), examined)


def _welcome(session: "Session", found: Candidate) -> None:
    if session.is_gone:
        return
    if not _is_let_in(session, found):
        return
    session.login = found
    session.failed_logins = 0
    session.service.metrics.logins.labels(account=found.name, result="welcome").inc()
    tell = log.debug if session.is_probe else log.info  # the balancer's health probes log in every second
    tell("login", user=session.user, tls=session.client_has_tls, **session.who)
    if session.home in session.service.homes_seen:
        session.reply("230 Logged in.")
        return
    session.off_loop(
        session.service.workers.fetches,
        lambda: ensure_home(session.service, session.home, found),
        lambda _: session.reply("230 Logged in."),
    )


def _is_let_in(session: "Session", found: Candidate) -> bool:
    """Whether the account's own limits let this login in; otherwise the client has been told why not."""
    limits = _NO_LIMITS if session.is_probe else found.account.limits
    reply = session.service.sessions.log_in(session, found.name, limits)
    if reply is None:
        return True
    if reply == NOT_FROM_HERE:
        _refuse(session, reply, "network not allowed")
    else:
        session.service.metrics.logins.labels(account=found.name, result="too many").inc()
        log.warning("login refused", user=session.user, why=reply, **session.who)
        session.hang_up(reply)
    return False


def ensure_home(service: "Service", home: str, found: Candidate) -> None:
    """Make the home where it is missing, so that a new cluster needs no preparation; a refusal is only logged."""
    for path in (*parents(home), home) if home else ():
        try:
            service.tree.entry(path)
        except FileNotFoundError:
            request = MakeDirectory(id=0, path=path, account=found.name, policy=found.account.publish_policy())
            try:
                change(service.publisher, request, service.limits.publish_timeout_s)
            except (ChangeRefusedError, PublisherUnreachableError) as error:
                log.warning("home not made", path=path, account=found.name, why=str(error))
                return
    service.homes_seen.add(home)


def count_against(service: "Service", address: str, who: dict[str, Any]) -> None:
    """A wrong password came from `address`, which may ban it; `who` is for the log."""
    exempt = (*service.limits.ban_exempt, *service.settings.balancer.source_addresses)
    if service.tally.failed(address, service.limits, exempt, clock.monotonic_s()):
        service.metrics.bans.inc()
        log.warning("address banned", seconds=service.limits.ban_s, **who)


def _refuse(session: "Session", text: str, why: str) -> None:
    session.failed_logins += 1
    session.service.metrics.logins.labels(account="", result=why).inc()
    log.warning("login refused", user=session.user, why=why, attempt=session.failed_logins, **session.who)
    session.user = ""
    if session.failed_logins >= session.service.limits.login_attempts:
        session.hang_up(text)
    else:
        session.reply(text)
