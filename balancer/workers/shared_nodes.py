"""The nodes as a worker knows them: what probes find it is told, and every choice is the head's."""

import asyncio
import itertools
from collections.abc import Callable
from typing import TypeVar

import msgspec
from typing_extensions import override

from balancer.choices import Choices, MadeChoice
from balancer.core.choose_node import Choice, Wish
from balancer.nodes import Nodes, Tenant
from balancer.workers.messages import Carried, Choose, Chosen, Left, Lost, Made, Turn, Unreachable, Wait
from cluster.clock import monotonic_s
from cluster.settings import Settings

T = TypeVar("T")

Tell = Callable[[msgspec.Struct], None]
"""Says something to the head."""


class SharedNodes(Nodes):
    """`tell` reaches the head, whose answers come by `take`."""

    def __init__(self, settings: Settings, tell: Tell) -> None:
        super().__init__(settings.nodes, settings.balancer.probe, monotonic_s)
        self._tell = tell
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Chosen | Turn]] = {}

    def take(self, answer: Chosen | Turn) -> None:
        """An answer has come."""
        asked = self._asked.pop(answer.number, None)
        if asked is not None and not asked.done():
            asked.set_result(answer)
        elif isinstance(answer, Chosen) and answer.choice.node is not None:
            self._tell(Left(answer.choice.node))  # who asked has ended meanwhile

    @override
    async def choose(self, wish: Wish) -> Choice:
        number = next(self._numbers)
        answer = await self._answer(number, Choose(number, wish))
        assert isinstance(answer, Chosen), "what was asked for"
        return answer.choice

    @override
    async def has_room(self, wait_s: float) -> bool:
        number = next(self._numbers)
        answer = await self._answer(number, Wait(number, wait_s))
        assert isinstance(answer, Turn), "what was asked for"
        return answer.has_room

    @override
    def moves_out(self, node: str, tenant: Tenant) -> None:
        super().moves_out(node, tenant)
        self._tell(Left(node))

    @override
    def connection_failed(self, node: str, why: str) -> None:
        self.take_out(node, why)
        self._tell(Unreachable(node, why))

    @override
    def lost_a_session(self, node: str) -> None:
        self._tell(Lost(node))

    @override
    def carried(self, node: str, size_bytes: int) -> None:
        if node:
            self._tell(Carried(node, size_bytes))

    async def _answer(self, number: int, question: msgspec.Struct) -> Chosen | Turn:
        asked: asyncio.Future[Chosen | Turn] = asyncio.get_running_loop().create_future()
        self._asked[number] = asked
        self._tell(question)
        return await asked


class SharedChoices(Choices):
    """The choices that a worker's sessions were given are remembered by the head."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    @override
    def note(self, choice: MadeChoice) -> None:
        self._tell(Made(choice))
