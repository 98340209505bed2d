"""Decides how fast one node may send to another: by the hour of the week in UTC, and evenly within it."""

from typing import Final

from cluster.replication_settings import DAYS, Hours, Link

_DAY_S: Final = 86_400
_EPOCH_DAY: Final = DAYS.index("thu")  # 1970-01-01
BURST_S: Final = 0.5
"""What was not used in so much time may be sent at once."""


def link_of(links: tuple[Link, ...], source: str, target: str) -> Link | None:
    """What is said of the way from `source` to `target`."""
    return next((link for link in links if (link.source, link.target) == (source, target)), None)


def rate_at(link: Link | None, now_s: float) -> int | None:
    """Bytes a second at a moment (seconds of the epoch): None without a limit, 0 when the link is closed.

    Of the hours that it falls into the first count. Hours that end before they begin go on into the next day.
    """
    if link is None:
        return None
    day, second = divmod(int(now_s), _DAY_S)
    for hours in link.schedule:
        if _falls_into(hours, day, second):
            return hours.bytes_per_s
    return link.bytes_per_s


def taken(free_at_s: float, size_bytes: int, rate: int, now_s: float) -> tuple[float, float]:
    """For bytes that are to be sent: when the link is free again after them, and how long they must wait."""
    begin_s = max(free_at_s, now_s - BURST_S)
    return begin_s + size_bytes / rate, max(0.0, begin_s - now_s)


def _falls_into(hours: Hours, day: int, second: int) -> bool:
    begin_s, end_s = seconds_of(hours.begin), seconds_of(hours.end)
    today, yesterday = DAYS[(day + _EPOCH_DAY) % 7], DAYS[(day + _EPOCH_DAY - 1) % 7]
    if begin_s < end_s:
        return today in hours.days and begin_s <= second < end_s
    return (today in hours.days and second >= begin_s) or (yesterday in hours.days and second < end_s)


def seconds_of(clock: str) -> int:
    """Seconds from midnight of a time such as 08:30 or 24:00."""
    hour, _, minute = clock.partition(":")
    return int(hour) * 3600 + int(minute) * 60
