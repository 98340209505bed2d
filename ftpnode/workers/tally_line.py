"""A worker's way to the node's tally: asks and waits, but never for long.

A question takes some 20 µs, so the event loop asks itself. Should the supervisor not answer in time, that one answer
stays owed, and until it has come every other question fails at once: a stuck supervisor costs the loop one wait.
"""

import socket
import threading
from collections import deque
from typing import Final, TypeVar

import msgspec

from cluster.log import logger
from ftpnode.workers.questions import MAX_MESSAGE_BYTES, Question

T = TypeVar("T")

log = logger(__name__)

TIMEOUT_S: Final = 0.25
_encode: Final = msgspec.msgpack.Encoder().encode


class TallyLostError(Exception):
    """The supervisor has not answered; whether it has counted is unknown."""


class TallyLine:
    """From any thread. `connection` keeps messages apart (SOCK_SEQPACKET) and is the line's from here on."""

    def __init__(self, connection: socket.socket, timeout_s: float = TIMEOUT_S) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._owed = False
        self._is_lost = False
        self._untold: deque[bytes] = deque()

    def ask(self, question: Question, answers: "msgspec.msgpack.Decoder[T]") -> T:
        """The answer; TallyLostError without one."""
        with self._lock:
            try:
                if self._owed:
                    self._receive(0.0)
                self._catch_up(0.0 if self._is_lost else self._timeout_s)
                self._connection.send(_encode(question))
                self._owed = True
                answer = self._receive(self._timeout_s)
            except OSError as error:  # TimeoutError and BlockingIOError too
                self._lose(error)
                raise TallyLostError(str(error)) from error
            if self._is_lost:
                self._is_lost = False
                log.info("the node's tally answers again")
            return answers.decode(answer)

    def tell(self, news: Question) -> None:
        """Tell what has no answer; it is kept until it can be told, before anything else is."""
        with self._lock:
            self._untold.append(_encode(news))
            try:
                self._catch_up(0.0)
            except BlockingIOError:
                return  # it has much to hear
            except OSError as error:
                self._lose(error)

    def _catch_up(self, timeout_s: float) -> None:
        self._connection.settimeout(timeout_s)
        while self._untold:
            self._connection.send(self._untold[0])
            self._untold.popleft()

    def _receive(self, timeout_s: float) -> bytes:
        self._connection.settimeout(timeout_s)
        answer = self._connection.recv(MAX_MESSAGE_BYTES)
        if not answer:
            raise ConnectionResetError("the supervisor is gone")
        self._owed = False
        return answer

    def _lose(self, error: OSError) -> None:
        if not self._is_lost:
            self._is_lost = True
            log.error("the node's tally does not answer", why=str(error))
