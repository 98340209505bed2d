"""Decides where content is cut into blocks: by the content itself, so that an insertion moves the cuts along.

A cut is where a hash of the last 16 bytes has a certain value (content-defined chunking, as in LBFS, SOSP 2001). Here
numpy asks that of every place at once, which is faster than any rolling hash in Python, and lets other threads run.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

MAX_BLOCKS: Final = 1 << 15
_MIN_AVERAGE_BYTES: Final = 64 << 10  # one place in 2^16 has both of the two values below
_WINDOW_BYTES: Final = 16
_DOUBLINGS: Final = ((1, 0x8D), (2, 0x35), (4, 0xE3))
_SEED: Final = 0xA7
_VALUES: Final = (0x5A, 0xC3)
_MIX: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], dtype=np.uint64)


def average_bytes(size_bytes: int) -> int:
    """About how long the blocks of content of that size are: so long that there are never more than MAX_BLOCKS."""
    average = _MIN_AVERAGE_BYTES
    while size_bytes > average * (MAX_BLOCKS // 4 - 1):
        average *= 2
    return average


class Cutter:
    """Cuts content that comes piece by piece: a block has at least a quarter of the average, and at most four times it.

    How the content is divided into pieces does not matter.
    """

    def __init__(self, average_bytes: int) -> None:
        self._shortest = average_bytes // 4
        self._longest = average_bytes * 4
        self._rarer = average_bytes // _MIN_AVERAGE_BYTES - 1
        self._last = b""
        self._open_bytes = 0

    def cuts(self, piece: bytes) -> list[int]:
        """Where in the next piece blocks end: offsets, in order."""
        seen = self._last + piece
        self._last = seen[1 - _WINDOW_BYTES :]
        found: list[int] = []
        start = -self._open_bytes
        for mark in (_marks(seen, self._rarer) - (len(seen) - len(piece))).tolist():
            while mark - start > self._longest:
                start += self._longest
                found.append(start)
            if mark - start >= self._shortest:
                start = mark
                found.append(start)
        while len(piece) - start >= self._longest:
            start += self._longest
            found.append(start)
        self._open_bytes = len(piece) - start
        return found


def _marks(data: bytes, rarer: int) -> npt.NDArray[np.intp]:
    """The offsets after each 16 bytes that may end a block, one place in 2^16 x (`rarer` + 1)."""
    if len(data) < _WINDOW_BYTES:
        return np.empty(0, dtype=np.intp)
    octets = np.frombuffer(data, dtype=np.uint8)
    hashed = octets * np.uint8(_SEED)
    for distance, factor in _DOUBLINGS:  # each doubles how many bytes every hash covers
        hashed = hashed[distance:] + hashed[:-distance] * np.uint8(factor)
    first, second = (np.uint8(value) for value in _VALUES)
    found = np.flatnonzero((hashed[:-8] == first) & (hashed[8:] == second))
    if rarer and found.size:
        windows = np.lib.stride_tricks.sliding_window_view(octets, _WINDOW_BYTES)[found]
        words = np.ascontiguousarray(windows).view(np.uint64) * _MIX
        mixed = (words[:, 0] ^ (words[:, 1] >> np.uint64(7))) * _MIX[0]
        found = found[(mixed >> np.uint64(32)) & np.uint64(rarer) == 0]
    return found + _WINDOW_BYTES
