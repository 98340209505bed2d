"""Asks for the time: the one place in the project that does. Everything else takes the moment as an argument."""

import datetime
import time


def now_s() -> float:
    """Seconds since the epoch, as the wall clock shows them; may jump."""
    return time.time()


def now_ns() -> int:
    """Nanoseconds since the epoch, as the wall clock shows them; may jump."""
    return time.time_ns()


def monotonic_s() -> float:
    """Seconds on a clock that never goes back; for deadlines and durations, meaningless on another host."""
    return time.monotonic()


def utc_now() -> datetime.datetime:
    """The moment as the wall clock shows it, in UTC; for certificates and reports."""
    return datetime.datetime.now(datetime.UTC)
