"""A session on its way from one balancer process to another, beside the socket of its client."""

import msgspec

from balancer.core.standing import Standing


class MovedSession(msgspec.Struct, frozen=True, kw_only=True):
    """What it is called, where it came in, since when it is (by the host's monotonic clock), and how it stands."""

    id: str
    service: str
    client: tuple[str, int]
    local: tuple[str, int]
    began_s: float
    moves: int
    standing: Standing
