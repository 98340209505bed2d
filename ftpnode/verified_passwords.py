"""Remembers for a while which passwords were right, so that stations that log in again and again cost one argon2 each.

Only right passwords are kept, as a keyed hash under a key of this process that is never stored: what is remembered is
useless elsewhere, there is one entry an account at most, and a wrong password always takes the whole check. (IIS keeps
verified credentials for 900 s too.)

The event loop asks, and so do the threads of SFTP sessions: a lock keeps the memory whole, and no digest is computed
under it.
"""

import hmac
import secrets
import threading
from typing import Final

LIFETIME_S: Final = 900.0


class VerifiedPasswords:
    """The passwords that were verified lately; moments are of a clock that never goes back."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._until_s: dict[bytes, float] = {}

    def remember(self, hashed: str, password: str, now_s: float) -> None:
        """`password` was found to fit `hashed`."""
        digest = self._digest(hashed, password)
        with self._lock:
            self._until_s[digest] = now_s + LIFETIME_S

    def knows(self, hashed: str, password: str, now_s: float) -> bool:
        """Whether `password` was found to fit `hashed` less than LIFETIME_S ago."""
        digest = self._digest(hashed, password)
        with self._lock:
            return now_s < self._until_s.get(digest, now_s)

    def _digest(self, hashed: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{hashed}\0{password}".encode(), "sha256")
