"""Decides whether bytes are compressed on their way: where that brings them there sooner."""

from typing import Final

import msgspec

SAMPLE_BYTES: Final = 64 << 10
_WORTH_IT: Final = 0.75
_INERTIA: Final = 0.8


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds a byte, as they were measured: to send it, and to compress it. At first a gigabit and one core."""

    send_s: float = 8e-9
    pack_s: float = 2.5e-9


def is_worth_packing(costs: Costs, limit: int | None, ratio: float) -> bool:
    """Whether to compress what comes to `ratio` of its size, over a link with that limit in bytes a second."""
    send_s = max(costs.send_s, 1 / limit if limit else 0.0)
    return ratio <= _WORTH_IT and costs.pack_s < send_s * (1 - ratio)


def learned(known_s: float, seconds: float, size_bytes: int) -> float:
    """Seconds a byte, after so many bytes took so long."""
    return _INERTIA * known_s + (1 - _INERTIA) * seconds / size_bytes if size_bytes > 0 else known_s
