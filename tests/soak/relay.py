"""The wires between the replicators: each connection goes through here, and can be cut, stalled or half-opened."""

import asyncio
import contextlib
import functools
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Self

from cluster.log import logger

Address = tuple[str, int]
Pair = tuple[str, str]
"""Who dials, and whom."""

FAULTS = ("cut", "reset", "stall", "stall there", "stall back", "half-open here", "half-open there")
_READ_BYTES = 64 << 10
_RESET = struct.pack("ii", 1, 0)

log = logger(__name__)


class Wire:
    """The connections that one node dials to another. Used by the relay's loop alone."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self._is_cut = False
        self._there, self._back = asyncio.Event(), asyncio.Event()
        self._ends: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = {}
        self._left: list[asyncio.StreamWriter] = []  # ends whose other end is gone, and that nobody told of it
        self.heal()

    async def come_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until it ends."""
        try:
            if self._is_cut:
                raise ConnectionRefusedError
            there_reader, there_writer = await asyncio.open_connection(*self._target)
            if self._is_cut:  # meanwhile
                _reset(there_writer)
                raise ConnectionRefusedError
        except OSError:
            _reset(writer)
            return
        carrying = asyncio.ensure_future(self._carry(reader, writer, there_reader, there_writer))
        self._ends[carrying] = writer, there_writer
        with contextlib.suppress(asyncio.CancelledError):
            await carrying

    def fail(self, fault: str) -> None:
        """From now on this is wrong with it."""
        match fault:
            case "cut":
                self._is_cut = True
                self._drop()
            case "reset":
                self._drop()
            case "stall":
                self._there.clear()
                self._back.clear()
            case "stall there":
                self._there.clear()
            case "stall back":
                self._back.clear()
            case "half-open here":
                self._half_open(0)
            case "half-open there":
                self._half_open(1)
            case _:
                raise AssertionError(fault)

    def heal(self) -> None:
        """It is as good as new."""
        self._is_cut = False
        self._there.set()
        self._back.set()
        for writer in self._left:
            _reset(writer)
        self._left.clear()

    def end(self) -> None:
        """Drop everything."""
        self.heal()
        self._drop()

    def _drop(self) -> None:
        for carrying, writers in list(self._ends.items()):
            carrying.cancel()
            for writer in writers:
                _reset(writer)

    def _half_open(self, stays: int) -> None:
        """One end of each connection is gone, and the other one is not told."""
        for carrying, writers in list(self._ends.items()):
            self._left.append(writers[stays])
            _reset(writers[1 - stays])
            carrying.cancel()

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there_reader: asyncio.StreamReader,
        there_writer: asyncio.StreamWriter,
    ) -> None:
        pumps = [
            asyncio.ensure_future(_pump(reader, there_writer, self._there)),
            asyncio.ensure_future(_pump(there_reader, writer, self._back)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            del self._ends[asyncio.current_task()]
            for end in (writer, there_writer):
                if end not in self._left:
                    end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_READ_BYTES):
            await gate.wait()
            writer.write(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Drop a connection as a host does that knows nothing of it."""
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class Relay:
    """All wires, in a thread of their own; use as a context manager. `routes`: where each listens, and leads to."""

    def __init__(self, routes: Mapping[Pair, tuple[Address, Address]]) -> None:
        self.pairs = tuple(routes)
        self._routes = routes
        self._loop = asyncio.new_event_loop()
        self._wires: dict[Pair, Wire] = {}
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay")

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def fail(self, pair: Pair, fault: str) -> None:
        """This is wrong with the wire of a pair, when it returns."""
        self._do(functools.partial(self._wires[pair].fail, fault))

    def address(self, pair: Pair) -> Address:
        """Where the wire of a pair begins."""
        address, port = self._servers[self.pairs.index(pair)].sockets[0].getsockname()[:2]
        return address, port

    def heal(self, *pairs: Pair) -> None:
        """The wires of these pairs (default: all) are as good as new."""
        for pair in pairs or self.pairs:
            self._do(self._wires[pair].heal)

    def _do(self, what: Callable[[], None]) -> None:
        async def do() -> None:
            what()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(10)

    async def _start(self) -> None:
        for pair, (here, target) in self._routes.items():
            wire = self._wires[pair] = Wire(target)
            self._servers.append(await asyncio.start_server(wire.come_in, *here))

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for wire in self._wires.values():
            wire.end()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)
