"""Has every node send canaries, and looks for them at the others: do uploads arrive there, and how fast?"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from typing import Final

import msgspec

from balancer.core.canaries import Connectedness, after_round, targets_of, why_cut_off
from balancer.core.reply import ReplyError
from balancer.probe_session import NotHealthyError, ProbeDoor, ProbeSession
from cluster.content_id import is_content_id
from cluster.health import CanaryTrip
from cluster.log import logger
from cluster.settings import Settings

_SHORTEST_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 0.5
_HERE: Final = 250
_NOT_HERE: Final = 550
_TROUBLE: Final = (OSError, NotHealthyError, ReplyError)  # also TimeoutError

log = logger(__name__)


class _Sent(msgspec.Struct, frozen=True):
    """A canary that is on its way, since `at_s` of the loop's clock."""

    content_id: str
    at_s: float


_Sending = Mapping[str, asyncio.Future[_Sent | None]]
"""By the node that sends it; None where it does not."""


class CanaryRounds:
    """Makes rounds until it is cancelled; `serving` tells the nodes that can be asked now."""

    def __init__(self, settings: Settings, token_key: bytes, serving: Callable[[], Collection[str]]) -> None:
        self._probe = settings.balancer.probe
        self._late_s = settings.replication.propagation_late_s
        self._targets = targets_of(settings)
        self._door = ProbeDoor(settings, token_key)
        self._site = next((site for site in self._door.sites if settings.sites[site].accounts), None)
        self._serving = serving
        self._known: dict[str, Connectedness] = {}
        self.trips: tuple[CanaryTrip, ...] = ()
        """Of the last round."""

    def why_cut_off(self, node: str) -> str:
        """Why a node is cut off from the others; empty where it is not, or nothing is known."""
        return why_cut_off(node, self.trips) if self._known.get(node, Connectedness()).cut_off else ""

    @property
    def notices(self) -> tuple[str, ...]:
        """What did not arrive, in sentences."""
        return tuple(
            f"a canary from {trip.source} was not at {trip.target} within {self._late_s:g} s: new files are late there"
            for trip in self.trips
            if trip.delay_s is None
        )

    async def run(self) -> None:
        """Make a round every `probe.canary_interval_s`, if there is anything to ask."""
        interval_s = self._probe.canary_interval_s
        if not interval_s or self._site is None or not self._targets:
            return
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while True:
            await asyncio.sleep(max(0.0, began_s + interval_s - loop.time()))
            began_s = loop.time()
            self._judge(await self._round(self._site, frozenset(self._serving())))

    def _judge(self, trips: tuple[CanaryTrip, ...]) -> None:
        before, self._known = self._known, after_round(self._known, trips, self._probe)
        self.trips = trips
        for node, known in self._known.items():
            if known.cut_off != before.get(node, Connectedness()).cut_off:
                log.warning("replication", node=node, cut_off=known.cut_off, why=why_cut_off(node, trips))

    async def _round(self, site: str, nodes: Collection[str]) -> tuple[CanaryTrip, ...]:
        loop = asyncio.get_running_loop()
        sending: _Sending = {node: loop.create_future() for node in self._targets if node in nodes}
        found = await asyncio.gather(*(self._visit(node, site, sending) for node in sorted(nodes)))
        return tuple(sorted((trip for trips in found for trip in trips), key=lambda trip: (trip.source, trip.target)))

    async def _visit(self, node: str, site: str, sending: _Sending) -> list[CanaryTrip]:
        """Have a node send its canary, and look there for those of the others; what became of these."""
        found: list[CanaryTrip] = []
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._probe.timeout_s):
                    session = await stack.enter_async_context(self._door.open(node, site))
                    await self._door.log_in(session, site)
                if node in sending:
                    sending[node].set_result(await self._send(session))
                sources = {source for source in sending if node in self._targets[source]}
                await self._look(session, {source: sending[source] for source in sources}, node, found)
        except _TROUBLE as error:  # probes judge that; of what was not looked for nothing is known
            log.debug("no canaries", node=node, why=str(error) or type(error).__name__)
        finally:
            if node in sending and not sending[node].done():
                sending[node].set_result(None)
        return found

    async def _send(self, session: ProbeSession) -> _Sent | None:
        at_s = asyncio.get_running_loop().time()
        async with asyncio.timeout(self._late_s):
            answer = await session.ask("SITE CANARY PUT")
        content_id = answer.text.partition(" ")[0]
        return _Sent(content_id, at_s) if answer.code == _HERE and is_content_id(content_id) else None

    async def _look(self, session: ProbeSession, sending: _Sending, node: str, found: list[CanaryTrip]) -> None:
        """Ask for each canary until it is here or late. A node that says neither yes nor no cannot tell."""
        loop = asyncio.get_running_loop()
        awaited = dict(sending)
        while awaited:
            youngest_s = self._late_s
            for source, coming in tuple(awaited.items()):
                if not coming.done():
                    continue
                sent = coming.result()
                if sent is None:
                    del awaited[source]
                    continue
                async with asyncio.timeout(self._late_s):
                    answer = await session.ask(f"SITE CANARY GET {sent.content_id}")
                age_s = loop.time() - sent.at_s
                if answer.code == _NOT_HERE and age_s < self._late_s:
                    youngest_s = min(youngest_s, age_s)
                    continue
                del awaited[source]
                if answer.code in {_HERE, _NOT_HERE}:
                    delay_s = age_s if answer.code == _HERE else None
                    found.append(CanaryTrip(source=source, target=node, delay_s=delay_s))
            pause_s = min(max(_SHORTEST_PAUSE_S, youngest_s / 4), _LONGEST_PAUSE_S)
            coming_still = [coming for coming in awaited.values() if not coming.done()]
            if coming_still:
                await asyncio.wait(coming_still, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            elif awaited:
                await asyncio.sleep(pause_s)
