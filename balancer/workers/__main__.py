"""One worker: `python -m balancer.workers LINE`, started by the head with an inherited end of their line."""

import asyncio
import signal
import socket
import sys

import msgspec

from balancer.arrival import DataArrival
from balancer.floor import LocalFloor
from balancer.message_line import LineEndedError, MessageLine
from balancer.surroundings import make_surroundings
from balancer.workers.messages import (
    Begin,
    Chosen,
    Ended,
    Follow,
    Given,
    GoOn,
    Hold,
    KeepFew,
    Kept,
    Look,
    Looked,
    Seen,
    SendAway,
    Serves,
    Stray,
    TakeOut,
    ToWorker,
    Turn,
    Use,
    Welcome,
    WelcomeData,
    decode_to_worker,
    unpack_settings,
)
from balancer.workers.shared_nodes import SharedChoices, SharedNodes
from cluster.log import logger, start_logging
from cluster.metric_families import families_of
from cluster.problem import ConfigError
from cluster.settings import Settings

log = logger(__name__)


class Worker:
    """Serves what the head gives it, until the line ends."""

    def __init__(self, line: MessageLine[ToWorker], begin: Begin) -> None:
        settings = _share(unpack_settings(begin.settings), begin)
        self._line = line
        self._nodes = SharedNodes(settings, line.send)
        self._nodes.learn(begin.knowledge)
        around = make_surroundings(settings, self._nodes, SharedChoices(line.send))
        self._floor = LocalFloor(around, lambda service, client: line.send(Ended(service, client)), self._stray)
        self._passive: dict[int, socket.socket] = {}

    async def serve(self) -> None:
        """Do what the head says, in its order."""
        self._line.send(Serves())
        try:
            while True:
                message, sockets = await self._line.receive()
                await self._obey(message, sockets)
        except LineEndedError:
            await self._floor.close()
            await asyncio.sleep(0)  # what was said last goes out

    async def _obey(self, message: ToWorker, sockets: list[socket.socket]) -> None:  # noqa: C901, PLR0912 - one case a message
        match message:
            case Welcome(service, arrival):
                self._floor.welcome(service, arrival, sockets[0])
            case WelcomeData(arrival):
                self._floor.welcome_data(arrival, sockets[0])
            case GoOn(moved):
                self._floor.take_over(moved, sockets[0])
            case Hold(ports):
                self._passive |= dict(zip(ports, sockets, strict=True))
                await self._floor.open(self._passive)
            case Use(ports):
                self._floor.use(ports)
            case KeepFew(number):
                self._line.send(Kept(number, await self._floor.keep_few()))
            case SendAway(now):
                self._floor.send_away((lambda moved, sock: self._line.send(Given(moved), [sock])) if now else None)
            case Seen(node, outcome):
                self._floor.seen(node, outcome)
            case TakeOut(node, why):
                self._nodes.take_out(node, why)
            case Follow(packed):
                self._follow(unpack_settings(packed))
            case Look(number):
                self._line.send(Looked(number, self._floor.load(), families_of(self._floor.registry)))
            case Chosen() | Turn():
                self._nodes.take(message)
            case Begin():
                raise AssertionError("a worker begins once")

    def _stray(self, arrival: DataArrival, sock: socket.socket) -> None:
        with sock:
            self._line.send(Stray(arrival), [sock])

    def _follow(self, settings: Settings) -> None:
        try:
            self._floor.follow(settings)
        except ConfigError as error:
            log.warning("the new certificate cannot be used here", why=str(error))


async def main(end: socket.socket) -> None:
    """Be what the first message says."""
    line: MessageLine[ToWorker] = MessageLine(end, decode_to_worker)
    try:
        begin, _ = await line.receive()
    except LineEndedError:
        return
    assert isinstance(begin, Begin), "the first message says what to be"
    start_logging(begin.log_format, part="balancer", worker=begin.place.number)
    try:
        worker = Worker(line, begin)
    except ConfigError as error:
        for problem in error.problems:
            log.error("cannot serve", where=problem.where, what=problem.what, fix=problem.fix)  # noqa: TRY400 - no bug
        raise SystemExit(1) from error
    await worker.serve()


def _share(settings: Settings, begin: Begin) -> Settings:
    """What the worker may use of what is the balancer's."""
    balancer, workers = settings.balancer, begin.place.workers
    spool = balancer.spool
    spool = msgspec.structs.replace(
        spool, memory_bytes=spool.memory_bytes // workers, total_bytes=spool.total_bytes // workers
    )
    return msgspec.structs.replace(settings, balancer=msgspec.structs.replace(balancer, spool=spool))


if __name__ == "__main__":
    for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a terminal sends them to all: they are the head's
        signal.signal(_number, signal.SIG_IGN)
    asyncio.run(main(socket.socket(fileno=int(sys.argv[1]))))
