"""Decides which replaced or deleted content goes next from the versions that are kept."""

import msgspec

from cluster.replication_settings import Replication

_DAY_NS = 86_400 * 10**9
_MOST = 200_000


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """Content that `path` showed from `made_ns` until `gone_ns`, when it was replaced, or with `deleted` removed."""

    path: str
    content_id: str
    size_bytes: int
    mtime_ns: int
    made_ns: int
    gone_ns: int
    deleted: bool


def must_go(oldest: Version, count: int, total_bytes: int, limits: Replication, now_ns: int) -> bool:
    """Whether the oldest of `count` versions has to go: it is too old, or they are too many or too large."""
    too_old = oldest.gone_ns < now_ns - limits.versions_days * _DAY_NS
    return too_old or total_bytes > limits.versions_bytes or count > _MOST
