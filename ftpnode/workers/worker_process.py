"""One running worker, as the supervisor sees it: its process, its orders and reports, its questions to the tally."""

import asyncio
import contextlib
import itertools
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from cluster.frame import FrameReader, FrameTooLongError, frame
from cluster.live import LiveSession
from cluster.log import logger
from ftpnode.tally import NodeTally
from ftpnode.workers.orders import (
    Begin,
    Listed,
    NumberedOrder,
    Order,
    Ready,
    Report,
    decode_report,
    encode,
)
from ftpnode.workers.questions import MAX_MESSAGE_BYTES
from ftpnode.workers.tally_desk import TallyDesk

T = TypeVar("T", bound=Report)

log = logger(__name__)

_READ_BYTES: Final = 256 << 10
_QUESTIONS_AT_ONCE: Final = 64


class WorkerLostError(Exception):
    """The worker has died, or does not answer in time; the message says which."""


class WorkerProcess:
    """Made by `start_worker`. `ready` is set when it serves; `settings` are those it works by."""

    def __init__(
        self,
        begin: Begin,
        process: Process,
        reports: asyncio.StreamReader,
        orders: asyncio.StreamWriter,
    ) -> None:
        self.number = begin.place.number
        self.settings = begin.settings
        self.process = process
        self.ready = asyncio.Event()
        self._is_finishing = False
        self._orders = orders
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Report]] = {}
        self._listed: dict[int, list[LiveSession]] = {}
        self._listening = asyncio.create_task(self._listen(reports))
        self._send(0, begin)

    async def order(self, order: Order, kind: type[T], timeout_s: float) -> T:
        """The worker's report; WorkerLostError without one."""
        if self._is_finishing:
            raise WorkerLostError("it is ending")
        number = next(self._numbers)
        report = asyncio.get_running_loop().create_future()
        self._waiting[number] = report
        self._send(number, order)
        try:
            async with asyncio.timeout(timeout_s):
                found = await report
        except TimeoutError as error:
            raise WorkerLostError("it does not answer") from error
        finally:
            del self._waiting[number]
            self._listed.pop(number, None)
        assert isinstance(found, kind), f"{type(found)} reported on {type(order)}"
        return found

    def finish(self) -> None:
        """Let it stop listening, bring what is being published to its end, and end."""
        self._is_finishing = True
        with contextlib.suppress(OSError):  # it has ended already
            self._orders.write_eof()

    async def close(self) -> None:
        """The process has ended: whoever waits for a report is told so."""
        for report in self._waiting.values():
            if not report.done():
                report.set_exception(WorkerLostError("it has died"))
        self._listening.cancel()
        await asyncio.wait((self._listening,))
        self._orders.close()

    def _send(self, number: int, order: Order) -> None:
        self._orders.write(frame(encode(NumberedOrder(number, order))))  # a lost worker's end is waited for elsewhere

    async def _listen(self, reports: asyncio.StreamReader) -> None:
        reader = FrameReader()
        try:
            while data := await reports.read(_READ_BYTES):
                for payload in reader.feed(data):
                    numbered = decode_report(payload)
                    self._take(numbered.number, numbered.report)
        except ConnectionError:
            return
        except (FrameTooLongError, msgspec.MsgspecError) as error:
            log.warning("a worker's reports cannot be read", worker=self.number, why=str(error))
            self.process.kill()

    def _take(self, number: int, report: Report) -> None:
        if isinstance(report, Ready):
            self.ready.set()
        waiting = self._waiting.get(number)
        if waiting is None or waiting.done():
            return
        if isinstance(report, Listed):
            gathered = self._listed.setdefault(number, [])
            gathered += report.sessions
            if not report.is_last:
                return
            report = Listed(tuple(gathered), is_last=True)
        waiting.set_result(report)


class TallyCounter:
    """Answers one worker's questions as they come, on the supervisor's loop."""

    def __init__(self, tally: NodeTally, worker: int, connection: socket.socket) -> None:
        self._desk = TallyDesk(tally, worker)
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connection, self._answer)

    def _answer(self) -> None:
        for _ in range(_QUESTIONS_AT_ONCE):
            if not self._take_one():
                return

    def _take_one(self) -> bool:
        """Answer a question; False when there is none."""
        try:
            message = self._connection.recv(MAX_MESSAGE_BYTES)
            if message and (answer := self._desk.take(message)) is not None:
                self._connection.send(answer)
        except BlockingIOError:
            return False
        except OSError:
            message = b""
        if not message:
            self._loop.remove_reader(self._connection)
        return bool(message)

    def close(self) -> int:
        """The worker has died: hear what it still said, then count its sessions no more; returns how many they were."""
        while self._take_one():
            pass
        self._loop.remove_reader(self._connection)
        self._connection.close()
        return self._desk.close()


async def start_worker(
    begin: Begin, tally: NodeTally, opened: Mapping[str, socket.socket]
) -> "tuple[WorkerProcess, TallyCounter]":
    """A new worker, told to begin; OSError when no process can be started."""
    orders, their_orders = socket.socketpair()
    questions, their_questions = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for ours in (orders, questions):
        ours.settimeout(0.0)
    inherited = (their_orders.fileno(), their_questions.fileno(), *(one.fileno() for one in opened.values()))
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ftpnode.workers",
            *map(str, inherited[:2]),
            pass_fds=inherited,
            stdin=DEVNULL,
            process_group=0,  # Ctrl-C at a terminal is for the supervisor
        )
    except OSError:
        orders.close()
        questions.close()
        raise
    finally:
        their_orders.close()
        their_questions.close()
    counter = TallyCounter(tally, begin.place.number, questions)
    return WorkerProcess(begin, process, *await asyncio.open_connection(sock=orders)), counter
