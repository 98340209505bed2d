"""Runs blocking work in threads and brings the outcome back to the event loop.

pyftpdlib's loop is not thread-safe: `call_later` from another thread may not run until the next socket event. So
threads put outcomes into a queue and write a byte into a socket pair that the loop reads.
"""

import contextlib
import socket
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Final, TypeVar

from pyftpdlib.ioloop import AsyncChat, IOLoop
from typing_extensions import override

from cluster.log import logger

T = TypeVar("T")

log = logger(__name__)

_READ_BYTES: Final = 4096


def _nothing() -> None:
    pass


class OffLoop(AsyncChat):
    """The way from worker threads back to one event loop."""

    def __init__(self, ioloop: IOLoop) -> None:
        read_end, self._write_end = socket.socketpair()
        read_end.settimeout(0)
        self._write_end.settimeout(0)
        self._ready: deque[Callable[[], None]] = deque()
        self._woken = False
        super().__init__(read_end, ioloop=ioloop)

    def run(self, pool: Executor, work: Callable[[], T], then: Callable[[Future[T]], None]) -> None:
        """Do `work` in `pool`; call `then` with the finished future on the loop."""
        pool.submit(work).add_done_callback(lambda future: self.soon(lambda: then(future)))

    def soon(self, call: Callable[[], None]) -> None:
        """Call `call` on the loop; from any thread or signal handler."""
        self._ready.append(call)
        if self._woken:  # and what is ready by then will be called
            return
        self._woken = True
        with contextlib.suppress(OSError):  # full: a wake-up is under way; closed: there is nobody to wake
            self._write_end.send(b"\0")

    @override
    def handle_read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.socket.recv(_READ_BYTES)
        self._woken = False  # before anything is called: what comes from now on wakes the loop again
        while self._ready:
            self._ready.popleft()()

    @override
    def writable(self) -> bool:
        return False

    @override
    def handle_error(self) -> None:
        """A call failed, which is a fault of ours; pyftpdlib would close this channel, and nobody would be answered."""
        log.error("a call on the loop failed", exc_info=sys.exception())
        self.soon(_nothing)  # the calls behind the failed one still wait

    @override
    def close(self) -> None:
        super().close()
        self._write_end.close()
