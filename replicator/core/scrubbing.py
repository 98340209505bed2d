"""Decides how fast files are read again: so that all are in the days that are set, within a bound, and never idle."""

from typing import Final

_SLACK: Final = 1.25
_LEAST_BYTES_PER_S: Final = 8 << 10
READ_BYTES: Final = 4096
"""What a file costs, beside its bytes, to open and once more to end: a tree of small files is read in time too."""
DAY_S: Final = 86_400.0


def bytes_per_s(total_bytes: int, files: int, days: float, most_bytes_per_s: float) -> float:
    """The pace at which so many bytes in so many files are read in `days` with a quarter to spare; within the bound."""
    cost_bytes = total_bytes + 2 * READ_BYTES * files
    return min(most_bytes_per_s, max(_LEAST_BYTES_PER_S, _SLACK * cost_bytes / (days * DAY_S)))


def is_overdue(began_ns: int, now_ns: int, days: float) -> bool:
    """Whether a round that began then (0: none is under way) should have ended: the disk had no time for it."""
    return bool(days and began_ns) and now_ns > began_ns + days * DAY_S * 1e9


def rest_s(read_bytes: int, took_s: float, pace_bytes_per_s: float) -> float:
    """How long to rest after so much was read in that time."""
    return max(0.0, read_bytes / pace_bytes_per_s - took_s)


def comes_after(path: str, other: str) -> bool:
    """Whether a walk that goes through folders by name, each before what is in it, comes to `path` after `other`."""
    return path.split("/") > other.split("/")
