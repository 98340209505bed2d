"""Knows the sessions of this process, and has the node's tally count them."""

import itertools
from typing import Protocol

from cluster.live import LiveSession
from cluster.settings import AccountLimits, Limits, Settings
from ftpnode.core.login import Candidate
from ftpnode.tally import Tally


class Session(Protocol):
    """One client's session, whichever door it came in by."""

    id: str
    remote_ip: str
    login: Candidate | None
    started_s: float

    def seen(self, now_s: float) -> LiveSession:
        """What it does at this moment; from any thread, so one field may be a moment younger than the next."""
        ...

    def follow(self, settings: Settings) -> None:
        """Go on by these settings, or end, if they have no place for it; on the loop."""
        ...

    def kick(self) -> None:
        """End it; on the loop."""
        ...


class Sessions:
    """The sessions that this process serves, and how many transfers are under way in them."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._numbers = itertools.count(1)
        self._live: dict[Session, int] = {}
        self.transfers = 0

    @property
    def count(self) -> int:
        """How many sessions are open."""
        return len(self._live)

    def live(self) -> tuple[Session, ...]:
        """Every session; from any thread."""
        return tuple(self._live)

    def admit(self, session: Session, limits: Limits, now_s: float) -> str | None:
        """Let a session in, which counts until it is `closed`; or the 421 that turns it away."""
        number = next(self._numbers)
        refused = self._tally.admit(number, session.remote_ip, limits, now_s)
        if refused is None:
            self._live[session] = number
        return refused

    def log_in(self, session: Session, account: str, limits: AccountLimits) -> str | None:
        """Count a session as the account's; or the reply that refuses the login. From any thread."""
        number = self._live.get(session)
        return self._tally.log_in(number, account, limits) if number is not None else None

    def log_out(self, session: Session) -> None:
        """A session is nobody's again."""
        number = self._live.get(session)
        if number is not None:
            self._tally.log_out(number)

    def closed(self, session: Session) -> None:
        """A session has ended; one that was never let in changes nothing."""
        number = self._live.pop(session, None)
        if number is not None:
            self._tally.leave(number)
