"""Knows the sessions of this node, and counts them by the client's real address."""

from collections import Counter
from typing import Protocol

from cluster.live import LiveSession
from cluster.settings import Settings
from ftpnode.core.login import Candidate


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
    """Which client addresses have how many sessions, and how many transfers are under way."""

    def __init__(self) -> None:
        self._by_address: Counter[str] = Counter()
        self._live: set[Session] = set()
        self.transfers = 0

    def from_address(self, address: str) -> int:
        """How many sessions come from this client address."""
        return self._by_address[address]

    @property
    def count(self) -> int:
        """How many sessions are open."""
        return len(self._live)

    def live(self) -> tuple[Session, ...]:
        """Every session; from any thread."""
        return tuple(self._live)

    def of_account(self, name: str) -> tuple[Session, ...]:
        """The sessions that are logged in as this account."""
        return tuple(session for session in self._live if session.login is not None and session.login.name == name)

    def opened(self, session: Session) -> None:
        """A session was let in."""
        self._live.add(session)
        self._by_address[session.remote_ip] += 1

    def closed(self, session: Session) -> None:
        """A session that was let in has ended."""
        self._live.discard(session)
        address = session.remote_ip
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]
