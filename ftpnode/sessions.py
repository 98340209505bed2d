"""Counts the sessions of this node, in all and by the client's real address."""

from collections import Counter


class Sessions:
    """Which client addresses have how many sessions, and how many transfers are under way."""

    def __init__(self) -> None:
        self._by_address: Counter[str] = Counter()
        self.count = 0
        self.transfers = 0

    def from_address(self, address: str) -> int:
        """How many sessions come from this client address."""
        return self._by_address[address]

    def opened(self, address: str) -> None:
        """A session from `address` was let in."""
        self.count += 1
        self._by_address[address] += 1

    def closed(self, address: str) -> None:
        """A session that was let in has ended."""
        self.count -= 1
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]
