"""Remembers the client addresses that failed to log in, and those that are banned for it."""

import threading
from typing import Final

from cluster.live import Ban, Bans
from cluster.settings import Limits
from ftpnode.core.ban import Suspect, after_failure, is_within

_MAX_ADDRESSES: Final = 50_000
_NOBODY: Final = Suspect()


class BanList:
    """Bans of this node; they end with it. Moments are of a clock that never goes back.

    The event loop, the threads of SFTP sessions and the management endpoint ask, hence the lock: a failure is read,
    judged and written back, and of two at once none may be lost.
    """

    def __init__(self, most_addresses: int = _MAX_ADDRESSES) -> None:
        self._most = most_addresses
        self._lock = threading.Lock()
        self._suspects: dict[str, Suspect] = {}

    def is_banned(self, address: str, now_s: float) -> bool:
        """Whether this address is to be turned away."""
        with self._lock:
            return self._suspects.get(address, _NOBODY).seconds_left(now_s) > 0

    def failed(self, address: str, limits: Limits, exempt: tuple[str, ...], now_s: float) -> bool:
        """A wrong password came from `address`; returns whether that bans it. `exempt` are networks."""
        if is_within(address, exempt):
            return False
        with self._lock:
            if len(self._suspects) >= self._most:
                self._forget(limits, now_s)
            suspect = after_failure(self._suspects.get(address, _NOBODY), limits, now_s)
            self._suspects[address] = suspect
        return suspect.seconds_left(now_s) > 0

    def lift(self, address: str, now_s: float) -> bool:
        """Forgive an address; returns whether it was banned."""
        with self._lock:
            return self._suspects.pop(address, _NOBODY).seconds_left(now_s) > 0

    def document(self, now_s: float) -> Bans:
        """The bans of this moment."""
        with self._lock:
            left_s = {address: suspect.seconds_left(now_s) for address, suspect in self._suspects.items()}
        return Bans(tuple(Ban(address, round(seconds, 1)) for address, seconds in left_s.items() if seconds))

    def _forget(self, limits: Limits, now_s: float) -> None:
        """Make room, under the lock: first the harmless go, then, under an attack from everywhere, the oldest half."""
        kept = [entry for entry in self._suspects.items() if not entry[1].is_harmless(limits, now_s)]
        self._suspects = dict(kept[-(self._most // 2) :])
