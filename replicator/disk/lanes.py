"""Runs short disk work in a few threads, each taking at once all that has gathered while they were busy.

To hand one piece of work to a thread and its result back costs more than most pieces: two wakings, and Python's
global lock changes hands. So pieces of one kind are done together, which also lets them share the fsync of a folder.
"""

import asyncio
import functools
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Final, TypeVar

_LANES: Final = 1

_Piece = TypeVar("_Piece")
_Result = TypeVar("_Result")
Together = Callable[[Sequence[_Piece]], Sequence[_Result | Exception]]
"""Does many pieces of work; the result, or what went wrong, of each."""

_Waiting = tuple[Together[Any, Any], Sequence[Any], "asyncio.Future[list[Any]]"]


class DiskLanes:
    """Used by the control thread alone; the pool is the caller's. Nothing long may go here: it would delay the rest."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._waiting: list[_Waiting] = []
        self._free = _LANES
        self._under_way: set[asyncio.Future[Any]] = set()
        self._is_called = False

    async def run(self, together: Together[_Piece, _Result], piece: _Piece) -> _Result:
        """Do this piece with others of its kind; what went wrong with it is raised.

        Whoever is cancelled waits for what is under way: a thread cannot be stopped, and might still make a file that
        its caller has just removed.
        """
        (result,) = await self.run_all(together, [piece])
        if isinstance(result, BaseException):
            raise result
        return result

    async def run_all(
        self, together: Together[_Piece, _Result], pieces: Sequence[_Piece]
    ) -> Sequence[_Result | Exception]:
        """Do these pieces, as `run` does one; the result of each, or what went wrong with it."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[Any]] = loop.create_future()
        self._waiting.append((together, pieces, done))
        if not self._is_called:
            self._is_called = True
            loop.call_soon(self._hand_out)
        try:
            return await done
        except asyncio.CancelledError:
            if self._under_way:
                await asyncio.wait(tuple(self._under_way))
            raise

    def _hand_out(self) -> None:
        self._is_called = False
        self._waiting = [waiting for waiting in self._waiting if not waiting[2].done()]  # cancelled before it began
        loop = asyncio.get_running_loop()
        while self._waiting and self._free:
            count = -(-len(self._waiting) // self._free)
            share, self._waiting = self._waiting[:count], self._waiting[count:]
            try:
                lane = loop.run_in_executor(
                    self._pool, _carry_out, [(together, pieces) for together, pieces, _ in share]
                )
            except RuntimeError as error:  # the pool was shut down
                for _, _, done in share:
                    if not done.done():  # nobody waits for it any more
                        done.set_exception(error)
                continue
            self._free -= 1
            self._under_way.add(lane)
            lane.add_done_callback(functools.partial(self._came_back, share))

    def _came_back(self, share: Sequence[_Waiting], lane: "asyncio.Future[list[Any]]") -> None:
        self._free += 1
        self._under_way.discard(lane)
        error = asyncio.CancelledError() if lane.cancelled() else lane.exception()
        results = [] if error is not None else lane.result()
        for number, (_, _, done) in enumerate(share):
            if done.done():
                continue
            if isinstance(error, asyncio.CancelledError):
                done.cancel()
            elif error is not None:
                done.set_exception(error)
            else:
                done.set_result(results[number])
        self._hand_out()


def each(work: Callable[[_Piece], _Result]) -> Together[_Piece, _Result]:
    """Does the pieces one after the other."""

    def together(pieces: Sequence[_Piece]) -> Sequence[_Result | Exception]:
        return [attempt(work, piece) for piece in pieces]

    return together


def attempt(work: Callable[[_Piece], _Result], piece: _Piece) -> _Result | Exception:
    """The result, or what went wrong."""
    try:
        return work(piece)
    except Exception as error:  # noqa: BLE001 whoever asked for this piece is told
        return error


def _carry_out(share: Sequence[tuple[Together[Any, Any], Sequence[Any]]]) -> list[list[Any]]:
    """What of several is of one kind is done together; the results of each, in its order."""
    kinds: dict[Together[Any, Any], list[Any]] = {}
    for together, pieces in share:
        kinds.setdefault(together, []).extend(pieces)
    results = {together: iter(together(pieces)) for together, pieces in kinds.items()}
    return [list(itertools.islice(results[together], len(pieces))) for together, pieces in share]
