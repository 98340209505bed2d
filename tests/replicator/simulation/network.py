"""The network between the simulated nodes: late, cut in one direction or both, and gone with its programs.

A connection keeps its order, as TCP does; what is sent into a cut arrives when the cut has healed, or never. Each
connection has chances of its own, so that the order in which a program walks a set of them does not matter.
"""

import asyncio
import random
from collections import deque

import msgspec

from replicator.peers.connection import Connection, PeerError
from replicator.peers.wire import Chunk, Data, Entry, Index, Prepare


class Wire(Connection):
    """One end of a connection: the interface of replicator.peers.connection.Connection, without TLS and bytes."""

    def __init__(self, network: "Network", loop, here: str, there: str) -> None:
        self._network, self.loop, self.here, self.there = network, loop, here, there
        self.other: Wire
        self.heard_s = network.monotonic_s()
        self.is_closed = False
        self._arrived = deque()
        self._waiting = None
        self.last_s = 0.0
        self.chance = network.chance_of(here, there)

    @property
    def closed(self):
        return self.is_closed

    async def send(self, message):
        if self.is_closed:
            raise ConnectionResetError("the connection to the peer is closed")
        self._network.carry(self, message)

    async def receive(self):
        while not self._arrived:
            if self.is_closed:
                raise EOFError
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        self.heard_s = self._network.monotonic_s()
        return self._arrived.popleft()

    async def expect(self, kind, timeout_s):
        message = await asyncio.wait_for(self.receive(), timeout_s)
        if not isinstance(message, kind):
            raise PeerError(f"sent {type(message).__name__} where {kind.__name__} belongs")
        return message

    def names(self):
        return frozenset((self.there.rstrip("'"),))

    def close(self):
        if not self.is_closed:
            self.cut()
            self._network.hang_up(self)

    def cut(self):
        """This end is told that the connection is gone."""
        self.is_closed = True
        self._wake()

    def deliver(self, message):
        if not self.is_closed:
            self._arrived.append(message)
            self._wake()

    def _wake(self):
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Network:
    """All connections."""

    def __init__(self, scheduler, chance, monotonic_s) -> None:
        self.monotonic_s = monotonic_s
        self._scheduler = scheduler
        self._seed = chance.random()
        self._chances = {}
        self._made = {}
        self.doors = {}
        self.cuts: dict[tuple[str, str], int] = {}
        self.slow: set[str] = set()
        self.liars: set[str] = set()
        self.wires: list[Wire] = []
        self._stuck: dict[tuple[str, str], list] = {}

    def now_s(self):
        return self._scheduler.now_s

    def listen(self, name, loop, answer):
        self.doors[name] = (loop, answer)

    async def dial(self, here, there):
        loop = asyncio.get_running_loop()
        connected = loop.create_future()
        self._go(here, there, self._arrive, here, there, loop, connected)
        return await connected

    def _arrive(self, here, there, loop, connected):
        wire = None
        if there in self.doors and not self.doors[there][0].dead:
            their_loop, answer = self.doors[there]
            wire, end = Wire(self, loop, here, there), Wire(self, their_loop, there, here)
            wire.other, end.other = end, wire
            self.wires = [old for old in self.wires if not (old.is_closed and old.other.is_closed)] + [wire, end]
            self._scheduler.after(0, lambda: their_loop.create_task(answer(end)), loop=their_loop)
        self._go(there, here, self._scheduler.after, 0, self._connected, connected, wire, loop)

    def _connected(self, connected, wire, loop):
        self._scheduler.after(0, _answer, connected, wire, loop=loop)

    def carry(self, wire, message):
        if wire.here in self.liars:
            message = twisted(message, wire.chance)
        wire.last_s = max(wire.last_s, self.now_s() + self._delay_s(wire.here, wire.there, wire.chance))
        self._go(wire.here, wire.there, self._deliver, wire.other, message, at_s=wire.last_s)

    def hang_up(self, wire):
        wire.last_s = max(wire.last_s, self.now_s() + self._delay_s(wire.here, wire.there, wire.chance))
        self._go(wire.here, wire.there, self._end, wire.other, at_s=wire.last_s)

    def drop(self, name, *, silently):
        """The program is gone; its peers are told by a reset, unless the whole host is."""
        self.doors.pop(name, None)
        for wire in self.wires:
            if wire.here == name and not wire.is_closed:
                wire.is_closed = True
                if not silently:
                    self.hang_up(wire)

    def reset(self, here, there):
        """Every connection between the two is lost, and both are told in time."""
        for wire in self.wires:
            if {wire.here, wire.there} == {here, there}:
                self._scheduler.after(self._delay_s(here, there, wire.chance), wire.cut, loop=wire.loop)

    def reset_half_open(self):
        """Tell those ends whose other end is gone."""
        for wire in self.wires:
            if wire.other.is_closed and not wire.is_closed:
                self._end(wire)

    def has_half_open(self):
        return any(wire.other.is_closed and not wire.is_closed and not wire.loop.dead for wire in self.wires)

    def cut(self, here, there):
        self.cuts[here, there] = self.cuts.get((here, there), 0) + 1

    def mend(self, here, there):
        if not self.cuts.get((here, there)):
            return  # mended already
        self.cuts[here, there] -= 1
        if not self.cuts[here, there]:
            for call, arguments in self._stuck.pop((here, there), []):
                self._scheduler.after(0, call, *arguments)  # at once, or what is sent now would overtake it

    def _deliver(self, wire, message):
        self._scheduler.after(0, wire.deliver, message, loop=wire.loop)

    def _end(self, wire):
        self._scheduler.after(0, wire.cut, loop=wire.loop)

    def _go(self, here, there, call, *arguments, at_s=None):
        when_s = self.now_s() + self._delay_s(here, there) if at_s is None else at_s
        self._scheduler.at(when_s, self._pass, here, there, call, arguments)

    def _pass(self, here, there, call, arguments):
        if self.cuts.get((here, there)):
            self._stuck.setdefault((here, there), []).append((call, arguments))
        else:
            call(*arguments)

    def chance_of(self, here, there):
        """A chance for the next connection between the two."""
        number = self._made[here, there] = self._made.get((here, there), 0) + 1
        return random.Random(f"{self._seed} {here} {there} {number}")

    def _delay_s(self, here, there, chance=None):
        if chance is None:
            if (here, there) not in self._chances:
                self._chances[here, there] = self.chance_of(here, there)
            chance = self._chances[here, there]
        slow = here in self.slow or there in self.slow
        return chance.uniform(0.0002, 0.002) * (400 if slow else 1)


def _answer(connected, wire):
    if connected.done():
        if wire is not None:
            wire.close()
    elif wire is None:
        connected.set_exception(ConnectionRefusedError("nobody listens there"))
    else:
        connected.set_result(wire)


def twisted(message, chance):
    """A message as a liar sends it."""
    if isinstance(message, Chunk | Data | Prepare) and message.data:
        return msgspec.structs.replace(message, data=message.data[:-1] + b"?")
    if isinstance(message, Index) and message.entries and chance.random() < 0.5:
        entry = message.entries[0]
        head = msgspec.structs.replace(entry.heads[0], stamp_ns=entry.heads[0].stamp_ns + 10**18)
        lie = Entry("../outside", entry.heads) if chance.random() < 0.5 else Entry(entry.path, (head,))
        return msgspec.structs.replace(message, entries=(lie, *message.entries[1:]))
    return message
