"""Decides how long a transfer pauses so that all transfers of an account together keep to its rate."""

from typing import Final

import msgspec

_CREDIT_S: Final = 0.5
_SMALLEST_CHUNK_BYTES: Final = 16 << 10  # one TLS record: with less, bytes could wait unseen inside OpenSSL
_CHUNKS_PER_S: Final = 8


class Pace(msgspec.Struct, frozen=True):
    """The moment at which everything moved so far is due at the account's rate."""

    due_s: float = 0.0

    def after(self, moved_bytes: int, bytes_per_s: int, now_s: float) -> "Pace":
        """With `moved_bytes` more; idle time earns a credit of half a second."""
        return Pace(max(self.due_s, now_s - _CREDIT_S) + moved_bytes / bytes_per_s)

    def pause_s(self, now_s: float) -> float:
        """How long to move nothing."""
        return max(0.0, self.due_s - now_s)


def chunk_bytes(bytes_per_s: int | None, most_bytes: int) -> int:
    """How much to move at once, so that the pauses stay short."""
    if bytes_per_s is None:
        return most_bytes
    return min(most_bytes, max(_SMALLEST_CHUNK_BYTES, bytes_per_s // _CHUNKS_PER_S))
