"""Judges the pace of a transfer: one that stands still or trickles is ended, so that it holds no session for ever."""

from ftpnode.core.verdict import Ending


def ending_by_pace(moved_bytes: int, window_s: float, minimum_bytes_per_s: int) -> Ending | None:
    """How a transfer ends that moved `moved_bytes` in the last `window_s`; None when it may go on.

    The rate is the average over the window; a minimum of 0 asks only that something moves.
    """
    if moved_bytes <= 0:
        return Ending.STALLED
    return Ending.TOO_SLOW if moved_bytes < minimum_bytes_per_s * window_s else None
