"""What all sessions of a node share, whichever process serves them: who is counted, banned, and how fast it may go on.

Everything is asked and told at the moment it happens, so that a limit holds for the node and not for a process.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Protocol

from typing_extensions import override

from cluster.live import Bans
from cluster.settings import AccountLimits, Limits
from ftpnode.bans import BanList
from ftpnode.core import account_limits, admission
from ftpnode.core.login import Candidate
from ftpnode.drain import Drain
from ftpnode.headcount import Headcount
from ftpnode.paces import Direction, Paces, rate


class Tally(Protocol):
    """From any thread. A session is known by a key of its own; moments are of this host's clock that never goes back.

    When the node's tally cannot be reached, whoever asks is turned away: `admit` and `log_in` say so, `is_banned`
    raises CommandRefusedError, and transfers with a rate pause.
    """

    def admit(self, session: Hashable, address: str, limits: Limits, now_s: float) -> str | None:
        """Count a session from here on; or the 421 that turns it away."""
        ...

    def log_in(self, session: Hashable, account: str, limits: AccountLimits) -> str | None:
        """Count an open session as the account's; or the reply that refuses the login."""
        ...

    def log_out(self, session: Hashable) -> None:
        """Count a session as nobody's."""
        ...

    def leave(self, session: Hashable) -> None:
        """Count a session no more."""
        ...

    def is_banned(self, address: str, now_s: float) -> bool:
        """Whether this client address is to be turned away."""
        ...

    def failed(self, address: str, limits: Limits, exempt: tuple[str, ...], now_s: float) -> bool:
        """A wrong password came from `address`; returns whether that bans it. `exempt` are networks."""
        ...

    def moved(self, login: Candidate, direction: Direction, moved_bytes: int, now_s: float) -> float:
        """Count bytes that were moved; returns for how long the transfer has to pause, in seconds."""
        ...


class NodeTally(Tally):
    """The tally itself, in the memory of the one process that keeps it."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._lock = threading.Lock()
        self._headcount = Headcount()
        self._bans = BanList()
        self._paces = Paces()

    @property
    def sessions(self) -> int:
        """How many sessions are open on the node."""
        return self._headcount.sessions

    @override
    def admit(self, session: Hashable, address: str, limits: Limits, now_s: float) -> str | None:
        with self._lock:
            refused = admission.refusal(
                limits,
                banned=self._bans.is_banned(address, now_s),
                draining=self._drain.draining,
                sessions=self._headcount.sessions,
                from_address=self._headcount.of_address(address),
            )
            if refused is None:
                self._headcount.came(session, address)
            return refused

    @override
    def log_in(self, session: Hashable, account: str, limits: AccountLimits) -> str | None:
        with self._lock:
            address = self._headcount.address_of(session)
            if address is None:  # it has left meanwhile: whatever is said, nobody hears it
                return None
            self._headcount.logged_out(session)
            refused = account_limits.refusal(
                limits,
                address=address,
                sessions=self._headcount.of_account(account),
                from_address=self._headcount.of_account_at(account, address),
            )
            if refused is None:
                self._headcount.logged_in(session, account)
            return refused

    @override
    def log_out(self, session: Hashable) -> None:
        with self._lock:
            self._headcount.logged_out(session)

    @override
    def leave(self, session: Hashable) -> None:
        with self._lock:
            self._headcount.left(session)

    def forget(self, is_gone: Callable[[Hashable], bool]) -> int:
        """Count no more the sessions of which `is_gone` holds; returns how many there were."""
        with self._lock:
            gone = [session for session in self._headcount.all() if is_gone(session)]
            for session in gone:
                self._headcount.left(session)
            return len(gone)

    @override
    def is_banned(self, address: str, now_s: float) -> bool:
        return self._bans.is_banned(address, now_s)

    @override
    def failed(self, address: str, limits: Limits, exempt: tuple[str, ...], now_s: float) -> bool:
        return self._bans.failed(address, limits, exempt, now_s)

    def lift(self, address: str, now_s: float) -> bool:
        """Forgive an address; returns whether it was banned."""
        return self._bans.lift(address, now_s)

    def bans(self, now_s: float) -> Bans:
        """The bans of this moment."""
        return self._bans.document(now_s)

    @override
    def moved(self, login: Candidate, direction: Direction, moved_bytes: int, now_s: float) -> float:
        bytes_per_s = rate(login.account.limits, direction)
        if bytes_per_s is None:
            return 0.0
        return self.paced(login.name, direction, bytes_per_s, moved_bytes, now_s)

    def paced(self, account: str, direction: Direction, bytes_per_s: int, moved_bytes: int, now_s: float) -> float:
        """As `moved`, for an account whose rate is known."""
        return self._paces.moved(account, direction, bytes_per_s, moved_bytes, now_s)
