"""A door when the process has no descriptor left."""

import asyncio
import errno
import socket

import pytest

from balancer import door
from balancer.door import Door


class Scarce:
    """A listener whose first clients cannot be accepted, for want of a descriptor."""

    def __init__(self, listener: socket.socket, failures: int) -> None:
        self._listener = listener
        self.failures = failures

    def fileno(self) -> int:
        return self._listener.fileno()

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._listener.accept()


@pytest.mark.asyncio
async def test_a_door_without_a_descriptor_rests_and_lets_its_clients_in_later(monkeypatch):
    monkeypatch.setattr(door, "_NO_DESCRIPTOR_S", 0.01)
    came: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.0)
        scarce = Scarce(listener, failures=3)
        opened = Door(scarce, lambda sock, _: came.set_result(sock))
        with socket.create_connection(listener.getsockname()) as client:
            (await came).close()
            assert scarce.failures == 0
            assert client.recv(1) == b""
        opened.shut()
