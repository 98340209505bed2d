"""Counts sessions by address and account."""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TypeVar

import msgspec

Key = TypeVar("Key")


class _Counted(msgspec.Struct):
    address: str
    account: str | None = None


class Headcount:
    """Which sessions are open, whoever serves them: a session is any key that is unique on the node."""

    def __init__(self) -> None:
        self._open: dict[Hashable, _Counted] = {}
        self._of_address: Counter[str] = Counter()
        self._of_account: Counter[str] = Counter()
        self._of_both: Counter[tuple[str, str]] = Counter()

    @property
    def sessions(self) -> int:
        """How many are open."""
        return len(self._open)

    def of_address(self, address: str) -> int:
        """How many come from this client address."""
        return self._of_address[address]

    def of_account(self, account: str) -> int:
        """How many are logged in as this account."""
        return self._of_account[account]

    def of_account_at(self, account: str, address: str) -> int:
        """How many are logged in as this account from this client address."""
        return self._of_both[account, address]

    def address_of(self, session: Hashable) -> str | None:
        """Where an open session comes from; None when it is not open (any more)."""
        counted = self._open.get(session)
        return counted.address if counted else None

    def came(self, session: Hashable, address: str) -> None:
        """A session was let in."""
        self._open[session] = _Counted(address)
        self._of_address[address] += 1

    def logged_in(self, session: Hashable, account: str) -> None:
        """An open session has logged in."""
        self.logged_out(session)
        counted = self._open[session]
        counted.account = account
        self._of_account[account] += 1
        self._of_both[account, counted.address] += 1

    def logged_out(self, session: Hashable) -> None:
        """A session is nobody's again, if it was anybody's."""
        counted = self._open.get(session)
        if counted is None or counted.account is None:
            return
        _less(self._of_account, counted.account)
        _less(self._of_both, (counted.account, counted.address))
        counted.account = None

    def left(self, session: Hashable) -> None:
        """A session has ended; one that is not open changes nothing."""
        self.logged_out(session)
        counted = self._open.pop(session, None)
        if counted is not None:
            _less(self._of_address, counted.address)

    def all(self) -> Iterable[Hashable]:
        """Every open session."""
        return tuple(self._open)


def _less(counter: Counter[Key], key: Key) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
