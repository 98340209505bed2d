"""Counts what writes out of order have skipped, so that a few bytes cannot make a file of any size."""

from typing import Final

MOST_OWED_BYTES: Final = 64 << 20
"""Clients that send many pieces at once are ahead of themselves by less."""


def owed_after_write(owed_bytes: int, end_bytes: int, offset: int, length_bytes: int) -> int:
    """How many bytes below the end of the file are owed, at most, once `length_bytes` are written at `offset`.

    `owed_bytes` were owed before, when the file ended at `end_bytes`. Writing behind the end owes what lies between,
    writing below it pays; whoever writes the same bytes twice has sent as many as are forgiven.
    """
    if offset > end_bytes and length_bytes:
        return owed_bytes + offset - end_bytes
    return max(0, owed_bytes - min(length_bytes, max(0, end_bytes - offset)))
