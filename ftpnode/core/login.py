"""Decides how a login is examined: which account a user name means, and what stands between it and a session."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

import msgspec

from cluster.session_token import looks_like_token
from cluster.settings import Account, Site

ANONYMOUS_NAMES: Final = frozenset({"anonymous", "ftp"})


class Candidate(msgspec.Struct, frozen=True):
    """An account of the site that a user name means."""

    name: str
    account: Account


class Examination(Enum):
    """What has to be done about one PASS."""

    REFUSE_CLEAR = auto()  # the account wants TLS: refuse without looking at the password
    CHECK_TOKEN = auto()
    CHECK_PASSWORD = auto()  # for unknown accounts too, so that they take as long
    WELCOME = auto()  # anonymous: any password will do


def candidate(site: Site, accounts: Mapping[str, Account], user: str) -> Candidate | None:
    """The account of `site` that `user` means; `anonymous` and `ftp` mean its account without a password."""
    if user in site.accounts:
        return Candidate(user, accounts[user])
    if user.lower() in ANONYMOUS_NAMES:
        for name in site.accounts:
            if accounts[name].password is None:
                return Candidate(name, accounts[name])
    return None


def examination(found: Candidate | None, password: str, *, secure: bool, from_balancer: bool) -> Examination:
    """How to examine a PASS.

    `secure`: the client speaks TLS, to us or to the balancer before us. Session tokens count from a balancer alone; a
    password that looks like one is an ordinary password elsewhere.
    """
    if found is not None and found.account.tls == "required" and not secure:
        return Examination.REFUSE_CLEAR
    if found is not None and from_balancer and looks_like_token(password):
        return Examination.CHECK_TOKEN
    if found is not None and found.account.password is None:
        return Examination.WELCOME
    return Examination.CHECK_PASSWORD
