"""Decides how soon a worker that died is started again: at once at first, then ever later, so that nothing spins."""

from typing import Final

_QUICK_S: Final = 60.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 30.0


def deaths_in_a_row(before: int, lived_s: float) -> int:
    """How many workers of one place have now died soon after their start, one after the other."""
    return before + 1 if lived_s < _QUICK_S else 1


def pause_s(deaths: int) -> float:
    """How long to wait before the next start; it doubles with every death in a row."""
    return float(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(deaths - 1, 16)))
