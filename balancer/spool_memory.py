"""The memory of all spools, in segments that one upload takes over from another."""

import asyncio
import mmap
from typing import Final

SEGMENT_BYTES: Final = 1 << 20
_COOL_S: Final = 60.0


class SpoolMemory:
    """So many bytes at most, taken from the system when they are used first; OSError when it promises no such amount.

    A page that was used before costs a copy; a fresh one has to be found and cleared too, which costs several times as
    much. So the segment that came back last is lent first, and what nobody used for a while goes back to the system.
    """

    def __init__(self, size_bytes: int) -> None:
        count = size_bytes // SEGMENT_BYTES
        self._area = mmap.mmap(-1, max(count, 1) * SEGMENT_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._bytes = memoryview(self._area)
        self._free = list(reversed(range(count)))
        self._warm: set[int] = set()
        self._least_free = count
        self._timer: asyncio.TimerHandle | None = None

    @property
    def warm_bytes(self) -> int:
        """How much of it the system has given."""
        return len(self._warm) * SEGMENT_BYTES

    def take(self) -> int | None:
        """Lend a segment; None when all are lent."""
        if not self._free:
            return None
        segment = self._free.pop()
        self._least_free = min(self._least_free, len(self._free))
        self._warm.add(segment)
        if self._timer is None:
            self._cool_later()
        return segment

    def give_back(self, segments: list[int]) -> None:
        """Take lent ones back."""
        self._free += reversed(segments)

    def view(self, segment: int, start: int, count_bytes: int) -> memoryview:
        """Bytes of a segment, at most to its end."""
        begin = segment * SEGMENT_BYTES
        return self._bytes[begin + start : begin + min(start + count_bytes, SEGMENT_BYTES)]

    def cool(self) -> None:
        """Give the system what has not been lent since the last time: the bottom of the pile."""
        for segment in self._free[: self._least_free]:
            if segment in self._warm:
                self._area.madvise(mmap.MADV_DONTNEED, segment * SEGMENT_BYTES, SEGMENT_BYTES)
                self._warm.discard(segment)
        self._least_free = len(self._free)

    def _cool_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_COOL_S, self._cool_in_time)

    def _cool_in_time(self) -> None:
        self.cool()
        self._timer = None
        if self._warm:
            self._cool_later()
