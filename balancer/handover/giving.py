"""The old balancer's side of a handover."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from os import getpid
from typing import Final, Protocol

from balancer.arrival import DataArrival
from balancer.core.node_health import ProbeFailed, ProbePassed
from balancer.handover.messages import (
    VERSION,
    Brought,
    Ending,
    FromNew,
    Given,
    Ready,
    Refused,
    Seen,
    Serving,
    TakeOver,
    Yours,
    decode_from_new,
    decode_session,
)
from balancer.listeners import is_trusted
from balancer.message_line import DESCRIPTORS_A_MESSAGE, LineEndedError, MessageLine
from balancer.moved_session import MovedSession
from cluster.log import logger

log = logger(__name__)

_READY_S: Final = 60.0
_SERVING_S: Final = 10.0
"""A new balancer that was given everything has to serve within so long, or the old one does again."""

SessionLine = MessageLine[MovedSession]


class Giver(Protocol):
    """A balancer that can be succeeded."""

    @property
    def held(self) -> Sequence[socket.socket]:
        """Its listening sockets."""

    @property
    def why_not_now(self) -> str:
        """Why it cannot hand over now, in a sentence; empty when it can."""

    async def step_back(self) -> tuple[int, ...]:
        """Accept and probe nothing more; returns the passive ports that it keeps for its sessions."""

    def send_away(self, line: SessionLine) -> None:
        """Send the sessions by this line as they come to rest; end when none is left or their time is over."""

    async def step_forward(self) -> None:
        """Serve as before."""

    def seen(self, node: str, outcome: ProbePassed | ProbeFailed) -> None:
        """What the new balancer's probe found."""

    def brought(self, arrival: DataArrival, sock: socket.socket) -> None:
        """A data connection has come to the new balancer that no session there can be meant by."""

    def end(self) -> None:
        """End now."""


class Giving:
    """Hears who knocks, one successor at a time."""

    def __init__(self, giver: Giver) -> None:
        self.done = asyncio.Event()
        """A successor serves."""
        self._door: socket.socket | None = None
        self._giver = giver
        self._talk: asyncio.Task[None] | None = None

    def open(self, door: socket.socket | None) -> None:
        """Hear who knocks at this listening socket."""
        self._door = door
        if self._door is not None:
            asyncio.get_running_loop().add_reader(self._door, self._knocked, self._door)

    def shut(self) -> None:
        """Hear nobody any more; who is inside stays."""
        if self._door is not None:
            asyncio.get_running_loop().remove_reader(self._door)
            self._door = None

    async def close(self) -> None:
        """End the conversation with a successor, too."""
        self.shut()
        if self._talk is not None:
            self._talk.cancel()
            await asyncio.wait((self._talk,))

    def _knocked(self, door: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            connection, _ = door.accept()
            if self._talk is not None and not self._talk.done():
                log.warning("another balancer wants to take over while one does")
                connection.close()
            elif not is_trusted(connection):
                log.warning("a stranger wants to take over")
                connection.close()
            else:
                self._talk = asyncio.get_running_loop().create_task(self._give(connection), name="handover")

    async def _give(self, connection: socket.socket) -> None:
        line: MessageLine[FromNew] = MessageLine(connection, decode_from_new)
        try:
            async with asyncio.timeout(_READY_S):
                sessions = await self._offer(line)
            if sessions is None:
                return
            try:
                await self._go(line, sessions)
            except LineEndedError as error:
                log.warning("the new balancer is lost, this one serves again", why=str(error))
                await self._giver.step_forward()
            finally:
                sessions.close()
                self.done.clear()
        except (LineEndedError, TimeoutError) as error:
            log.warning("a new balancer did not come to take over", why=str(error) or "it was not ready in time")
        finally:
            line.close()

    async def _offer(self, line: MessageLine[FromNew]) -> SessionLine | None:
        """Give the sockets to who is fit for them, and wait until it is ready; None when it got nothing."""
        asked = (await line.receive())[0]
        why_not = self._giver.why_not_now
        if not isinstance(asked, TakeOver) or asked.version != VERSION:
            why_not = "it is of another version, and they do not understand each other; restart it"
        if why_not:
            line.send(Refused(why_not))
            return None
        held = self._giver.held
        for first in range(0, len(held), DESCRIPTORS_A_MESSAGE):
            some = held[first : first + DESCRIPTORS_A_MESSAGE]
            line.send(Given(getpid(), is_last=first + len(some) == len(held)), some)
        ready, sockets = await line.receive()
        if not isinstance(ready, Ready) or len(sockets) != 1:
            raise LineEndedError("it said something else than that it is ready")
        return MessageLine(sockets[0], decode_session)

    async def _go(self, line: MessageLine[FromNew], sessions: SessionLine) -> None:
        """Leave our place to who is ready; LineEndedError when it does not take it, or is lost later."""
        line.send(Yours(await self._giver.step_back()))
        try:
            async with asyncio.timeout(_SERVING_S):
                answer = (await line.receive())[0]
        except TimeoutError as error:
            raise LineEndedError("it does not serve") from error
        if not isinstance(answer, Serving):
            raise LineEndedError("it said something else than that it serves")
        log.info("another balancer has taken over")
        self.done.set()
        self._giver.send_away(sessions)
        while True:
            message, sockets = await line.receive()
            match message:
                case Seen(node, outcome):
                    self._giver.seen(node, outcome)
                case Brought(arrival) if sockets:
                    self._giver.brought(arrival, sockets[0])
                case Ending():
                    self._giver.end()
                    return
                case _:
                    raise LineEndedError("it said what does not fit")
