"""Decides how a login is examined: which account a user name means, and what stands between it and a session."""

from collections.abc import Mapping
from enum import Enum, auto

import msgspec

from cluster.session_token import looks_like_token
from cluster.settings import ANONYMOUS_NAMES, Account, Site


class Candidate(msgspec.Struct, frozen=True):
    """An account of the site that a user name means."""

    name: str
    account: Account


class Examination(Enum):
    """What has to be done about one PASS."""

    REFUSE_CLEAR = auto()  # the account wants TLS: refuse without looking at the password
    REFUSE_UNKNOWN = auto()  # the account wants its client certificate: refuse without looking at the password
    CHECK_TOKEN = auto()
    CHECK_PASSWORD = auto()  # for unknown accounts too, so that they take as long
    WELCOME = auto()  # any password will do: it is anonymous, or known by its certificate


def candidate(site: Site, accounts: Mapping[str, Account], user: str) -> Candidate | None:
    """The account of `site` that `user` means; `anonymous` and `ftp` mean its account without a password."""
    if user in site.accounts:
        return Candidate(user, accounts[user])
    if user.lower() in ANONYMOUS_NAMES:
        for name in site.accounts:
            if accounts[name].password is None:
                return Candidate(name, accounts[name])
    return None


def examination(
    found: Candidate | None,
    password: str,
    *,
    secure: bool,
    takes_tokens: bool,
    certified: bool = False,
    is_probe: bool = False,
) -> Examination:
    """How to examine a PASS.

    `secure`: the client speaks TLS, to us or to the balancer before us, and `certified`: its certificate is the
    account's own. `takes_tokens`: a session token may come from there; elsewhere a password that looks like one is an
    ordinary password. The balancer's own probes show no certificate.
    """
    if found is None:
        return Examination.CHECK_PASSWORD
    account = found.account
    uncertified = account.client_certificate == "required" and not certified
    if account.needs_tls and not secure:
        return Examination.REFUSE_CLEAR
    if takes_tokens and looks_like_token(password) and (is_probe or not uncertified):
        return Examination.CHECK_TOKEN
    if uncertified:
        return Examination.REFUSE_UNKNOWN
    if account.password is None or (account.client_certificate == "optional" and certified):
        return Examination.WELCOME
    return Examination.CHECK_PASSWORD
