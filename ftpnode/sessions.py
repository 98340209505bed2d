"""Knows the sessions of this node, and counts them by the client's real address."""

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session


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

    def live(self) -> "tuple[Session, ...]":
        """Every session; from any thread."""
        return tuple(self._live)

    def of_account(self, name: str) -> "tuple[Session, ...]":
        """The sessions that are logged in as this account."""
        return tuple(session for session in self._live if session.login is not None and session.login.name == name)

    def opened(self, session: "Session") -> None:
        """A session was let in."""
        self._live.add(session)
        self._by_address[session.remote_ip] += 1

    def closed(self, session: "Session") -> None:
        """A session that was let in has ended."""
        self._live.discard(session)
        address = session.remote_ip
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]
