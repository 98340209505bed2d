"""The new balancer's side of a handover."""

import asyncio
import socket
from os import getpid
from typing import Final

from balancer.arrival import DataArrival
from balancer.core.node_health import ProbeFailed, ProbePassed
from balancer.handover.messages import (
    VERSION,
    Brought,
    Ending,
    FromOld,
    Given,
    Ready,
    Refused,
    Seen,
    Serving,
    TakeOver,
    Yours,
    decode_from_old,
)
from balancer.listeners import is_trusted, successors_address
from balancer.message_line import LineEndedError, MessageLine
from cluster.balancer_settings import Balancer

_ANSWER_S: Final = 10.0


class NotGivenError(Exception):
    """The running balancer does not hand over; the message says why."""


class Predecessor:
    """The balancer before this one; made by `find_predecessor`. `process` is its process id."""

    def __init__(self, line: "MessageLine[FromOld]", process: int, sockets: list[socket.socket]) -> None:
        self._line = line
        self.process = process
        self.sockets = sockets

    async def release(self, sessions: socket.socket) -> tuple[int, ...]:
        """Say that we are ready, and take the place; the passive ports that it keeps. NotGivenError.

        Its sessions come by the other end of `sessions`.
        """
        with sessions:
            self._line.send(Ready(), [sessions])
        match await _answer(self._line):
            case Yours(kept_ports), _:
                return kept_ports
            case _:
                raise NotGivenError("the running balancer said what does not fit")

    def we_serve(self) -> None:
        """Say that from now on its sessions can come."""
        self._line.send(Serving())

    def seen(self, node: str, outcome: ProbePassed | ProbeFailed) -> None:
        """Tell what a probe found."""
        self._line.send(Seen(node, outcome))

    def bring(self, arrival: DataArrival, sock: socket.socket) -> None:
        """Give it a data connection that can be one of its sessions' alone; the socket stays the caller's."""
        self._line.send(Brought(arrival), [sock])

    async def wait_until_gone(self) -> None:
        """Return when its last session has ended, and so has it."""
        try:
            while True:
                await self._line.receive()
        except LineEndedError:
            return

    def end(self) -> None:
        """Let it end with us."""
        self._line.send(Ending())
        self._line.close()

    def leave(self) -> None:
        """We do not take over after all."""
        self._line.close()


async def find_predecessor(balancer: Balancer) -> Predecessor | None:
    """The balancer that runs on the same management address, ready to hand over; None when there is none."""
    knocking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        knocking.connect(successors_address(balancer))
    except OSError:
        knocking.close()
        return None
    if not is_trusted(knocking):
        knocking.close()
        raise NotGivenError("what answers in the place of the running balancer is another user's")
    line: MessageLine[FromOld] = MessageLine(knocking, decode_from_old)
    line.send(TakeOver(VERSION, getpid()))
    sockets: list[socket.socket] = []
    try:
        return Predecessor(line, await _collect(line, sockets), sockets)
    except NotGivenError:
        line.close()
        for sock in sockets:
            sock.close()
        raise


async def _collect(line: MessageLine[FromOld], sockets: list[socket.socket]) -> int:
    """Take everything that is given; returns whose it was."""
    while True:
        match await _answer(line):
            case Given(process, is_last), some:
                sockets += some
                if is_last:
                    return process
            case Refused(why), _:
                raise NotGivenError(f"the running balancer does not hand over: {why}")
            case _:
                raise NotGivenError("the running balancer said what does not fit")


async def _answer(line: MessageLine[FromOld]) -> tuple[FromOld, list[socket.socket]]:
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await line.receive()
    except TimeoutError as error:
        raise NotGivenError("the running balancer does not answer") from error
    except LineEndedError as error:
        raise NotGivenError(f"the running balancer does not hand over: {error}") from error
