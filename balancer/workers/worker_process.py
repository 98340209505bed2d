"""One running worker, as the head sees it."""

import asyncio
import itertools
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from typing_extensions import override

from balancer.floor import Load
from balancer.message_line import DESCRIPTORS_A_MESSAGE, MessageLine, line_ends
from balancer.nodes import Nodes, Tenant
from balancer.workers.messages import Begin, Hold, KeepFew, Kept, Look, Looked, ToHead, decode_to_head
from cluster.sum_metrics import Family

ANSWER_S: Final = 2.0


class WorkerSilentError(Exception):
    """The worker has died, or does not answer in time."""


class Elsewhere(Tenant):
    """A session on a node, which a worker serves and tells by itself."""

    @override
    def node_is_down(self, why: str) -> None:
        return

    @override
    def node_drains(self) -> None:
        return


class WorkerProcess:
    """Made by `start_worker`; knows what of the balancer's counts are this worker's."""

    def __init__(self, begin: Begin, process: Process, line: MessageLine[ToHead]) -> None:
        self.place = begin.place
        self.process = process
        self.line = line
        self.serves = asyncio.Event()
        self.load = Load(0, {}, 0, 0)
        self.metrics: tuple[Family, ...] = ()
        self.sessions: Counter[tuple[str, str]] = Counter()
        self._tenants: defaultdict[str, list[Elsewhere]] = defaultdict(list)
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Looked | Kept]] = {}
        line.send(begin)

    def hold(self, passive: Mapping[int, socket.socket]) -> None:
        """Give it the sockets that listen on its passive ports."""
        ports = tuple(passive)
        for first in range(0, len(ports), DESCRIPTORS_A_MESSAGE):
            some = ports[first : first + DESCRIPTORS_A_MESSAGE]
            self.line.send(Hold(some), [passive[port] for port in some])

    def give(self, message: msgspec.Struct, service: str, client: str, sock: socket.socket) -> None:
        """Let it serve this client's session."""
        self.sessions[service, client] += 1
        with sock:
            self.line.send(message, [sock])

    def ended(self, service: str, client: str) -> None:
        """A session of it has ended."""
        self.sessions[service, client] -= 1
        if not self.sessions[service, client]:
            del self.sessions[service, client]

    def moves_in(self, nodes: Nodes, node: str) -> None:
        """A session of it is on this node."""
        tenant = Elsewhere()
        self._tenants[node].append(tenant)
        nodes.moves_in(node, tenant)

    def moves_out(self, nodes: Nodes, node: str) -> None:
        """A session of it has left this node."""
        if self._tenants[node]:
            nodes.moves_out(node, self._tenants[node].pop())

    def all_move_out(self, nodes: Nodes) -> None:
        """It is dead."""
        for node in tuple(self._tenants):
            while self._tenants[node]:
                self.moves_out(nodes, node)

    async def look(self) -> Looked:
        """How it is; WorkerSilentError."""
        number = next(self._numbers)
        answer = await self._ask(number, Look(number))
        assert isinstance(answer, Looked), "what was asked for"
        return answer

    async def keep_few(self) -> Sequence[int]:
        """The passive ports that it still lends; WorkerSilentError."""
        number = next(self._numbers)
        answer = await self._ask(number, KeepFew(number))
        assert isinstance(answer, Kept), "what was asked for"
        return answer.ports

    def take(self, answer: Looked | Kept) -> None:
        """An answer has come."""
        asked = self._asked.get(answer.number)
        if asked is not None and not asked.done():
            asked.set_result(answer)

    async def _ask(self, number: int, question: msgspec.Struct) -> Looked | Kept:
        asked: asyncio.Future[Looked | Kept] = asyncio.get_running_loop().create_future()
        self._asked[number] = asked
        self.line.send(question)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await asked
        except TimeoutError as error:
            raise WorkerSilentError from error
        finally:
            del self._asked[number]


async def start_worker(begin: Begin) -> WorkerProcess:
    """A new worker, told to begin; OSError when no process can be started."""
    ours, theirs = line_ends()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "balancer.workers",
            str(theirs.fileno()),
            pass_fds=(theirs.fileno(),),
            stdin=DEVNULL,
            process_group=0,  # Ctrl-C at a terminal is for the head
        )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return WorkerProcess(begin, process, MessageLine(ours, decode_to_head))
