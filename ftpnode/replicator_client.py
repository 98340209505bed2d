"""Speaks the publish protocol with the replicator on this host, over a few kept connections.

One request is under way on a connection at a time. A request is never sent twice: when its answer does not come, it is
unknown what became of it, and the caller must not promise anything.
"""

import contextlib
import itertools
import socket
import threading
from pathlib import Path
from typing import Final

import msgspec
from typing_extensions import override

from cluster import clock
from cluster.frame import FrameReader, FrameTooLongError, frame
from cluster.publish import Answer, Request, decode_answer, encode
from ftpnode.ports import Publisher, PublisherUnreachableError

_READ_BYTES: Final = 64 << 10
_CONNECT_TIMEOUT_S: Final = 2.0


class ReplicatorClient(Publisher):
    """A Publisher that asks the replicator on `socket_path`."""

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []
        self._busy: set[socket.socket] = set()
        self._closed = False

    @override
    def ask(self, request: Request, timeout_s: float) -> Answer:
        deadline_s = clock.monotonic_s() + timeout_s
        numbered = msgspec.structs.replace(request, id=next(self._numbers))
        connection = self._take()
        answer = None
        try:
            connection.settimeout(timeout_s)
            connection.sendall(frame(encode(numbered)))
            answer = _read_answer(connection, numbered.id, deadline_s)
        except (OSError, EOFError, FrameTooLongError, msgspec.MsgspecError) as error:
            raise PublisherUnreachableError(f"{type(request).__name__}: {error}") from error
        finally:
            self._give_back(connection, reusable=answer is not None)
        return answer

    @override
    def close(self) -> None:
        with self._lock:
            self._closed = True
            for connection in (*self._idle, *self._busy):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _take(self) -> socket.socket:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if _is_alive(connection):
                    self._busy.add(connection)
                    return connection
                connection.close()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_CONNECT_TIMEOUT_S)
            connection.connect(str(self._socket_path))
        except OSError as error:
            connection.close()
            raise PublisherUnreachableError(f"no replicator at {self._socket_path}: {error.strerror}") from error
        with self._lock:
            self._busy.add(connection)
        return connection

    def _give_back(self, connection: socket.socket, *, reusable: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if reusable and not self._closed:
                self._idle.append(connection)
                return
        connection.close()


def _is_alive(connection: socket.socket) -> bool:
    """Whether an idle connection still stands: nothing to read, not even its end."""
    connection.settimeout(0)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _read_answer(connection: socket.socket, number: int, deadline_s: float) -> Answer:
    reader = FrameReader()
    while True:
        connection.settimeout(max(deadline_s - clock.monotonic_s(), 0.001))
        data = connection.recv(_READ_BYTES)
        if not data:
            raise EOFError("the replicator closed the connection")
        for payload in reader.feed(data):
            answer = decode_answer(payload)
            if answer.id == number:
                return answer
