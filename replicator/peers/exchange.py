"""One exchange with a peer over the connection that this node dialled: what is asked, and what comes back."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from cluster.clock import monotonic_s
from cluster.log import logger
from replicator.peers.connection import PeerError
from replicator.peers.wire import Answered, Asked, Blocks, Busy, Compared, Data, Small

_MOST_TIMEOUTS: Final = 120  # who only says that it is busy is not waited for any longer than so many
_MOST_UNTAKEN_BYTES: Final = 16 << 20  # a peer is never asked for so much under one number
_LEAST_BYTES: Final = 1 << 10

log = logger(__name__)


class Exchange:
    """The messages under one number. Used by the control thread alone."""

    def __init__(
        self, peer: str, number: int, send: Callable[[Asked], Awaitable[None]], on_late: Callable[[], None]
    ) -> None:
        self.number = number
        self._peer = peer
        self._send = send
        self._on_late = on_late
        self._answers: deque[Answered | None] = deque()
        self._untaken_bytes = 0
        self._waiting: asyncio.Future[None] | None = None

    async def send(self, message: Asked) -> None:
        """Send one message; waits while too much is unsent. OSError when the connection is gone."""
        await self._send(message)

    async def answer(self, timeout_s: float) -> Answered:
        """The next answer; OSError when the connection is lost, TimeoutError when the peer gets on too slowly."""
        until_s = monotonic_s() + _MOST_TIMEOUTS * timeout_s
        while isinstance(answer := await self._next(timeout_s), Busy):
            if monotonic_s() > until_s:
                self.is_late(_MOST_TIMEOUTS * timeout_s)
                raise TimeoutError
        return answer

    async def unhurried_answer(self) -> Answered:
        """The next answer, whenever it comes; OSError when the connection is lost."""
        return await self._next(None)

    @property
    def has_answers(self) -> bool:
        """Whether there are answers that nobody has taken yet."""
        return bool(self._answers)

    def is_late(self, timeout_s: float) -> None:
        """The peer let so much time pass: it has no lease until it does something again."""
        self._on_late()
        log.warning("peer is too slow, and not waited for until it acts", peer=self._peer, timeout_s=timeout_s)

    async def _next(self, timeout_s: float | None) -> Answered:
        if not self._answers:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._waiting
            except TimeoutError:
                self.is_late(timeout_s or 0)
                raise
        answer = self._answers.popleft()
        if answer is None:
            raise ConnectionResetError("the peer was lost")
        self._untaken_bytes -= _size_bytes(answer)
        return answer

    def came(self, answer: Answered | None) -> None:
        """The peer answered; None: it was lost. PeerError when it answers much more than anybody asked for."""
        self._untaken_bytes += _size_bytes(answer)
        if self._untaken_bytes > _MOST_UNTAKEN_BYTES:
            raise PeerError("answers more than it was asked for")
        self._answers.append(answer)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def _size_bytes(answer: Answered | None) -> int:
    """About what an answer takes."""
    match answer:
        case Data(data=data) | Blocks(blocks=data):
            return _LEAST_BYTES + len(data)
        case Small(contents=contents):
            return _LEAST_BYTES + sum(len(data or b"") for data in contents)
        case Compared(own=own, below=below):
            return _LEAST_BYTES + sum(map(len, (*own, *below)))
        case _:
            return _LEAST_BYTES
