"""Looks after one node, again and again: does every site greet, does a login work, what does it say of itself."""

import asyncio
from collections.abc import Callable
from typing import Final

import aiohttp
import msgspec

from balancer.core.features import names_in
from balancer.core.node_health import ProbeFailed, ProbePassed
from balancer.core.reply import ReplyError
from balancer.probe_session import NotHealthyError, ProbeDoor
from cluster.ask import host_and_port
from cluster.health import FtpnodeHealth, NodeState
from cluster.live import Bans
from cluster.settings import Settings

LOGIN_EVERY: Final = 5
"""One probe in so many logs in; the others read the greeting."""


class Prober:
    """Probes one node until it is cancelled; `report` takes what each probe found."""

    def __init__(
        self,
        settings: Settings,
        node: str,
        token_key: bytes,
        token: str,
        report: Callable[[str, ProbePassed | ProbeFailed], None],
    ) -> None:
        self._settings = settings
        self._name = node
        self._node = settings.nodes[node]
        self._door = ProbeDoor(settings, token_key)
        self._token = token
        self._report = report

    async def run(self) -> None:
        """Probe for ever, `interval_s` from one beginning to the next where the node is fast enough."""
        probe = self._settings.balancer.probe
        loop = asyncio.get_running_loop()
        timeout = aiohttp.ClientTimeout(total=probe.timeout_s)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            number = 0
            while True:
                began_s = loop.time()
                self._report(self._name, await self._probe(http, login=number % LOGIN_EVERY == 0))
                number += 1
                await asyncio.sleep(max(0.0, began_s + probe.interval_s - loop.time()))

    async def _probe(self, http: aiohttp.ClientSession, *, login: bool) -> ProbePassed | ProbeFailed:
        try:
            async with asyncio.timeout(self._settings.balancer.probe.timeout_s):
                features: frozenset[str] | None = None
                for site in self._door.sites:
                    of_site = await self._try_site(site, login=login)
                    features = of_site if features is None or of_site is None else features & of_site
                health = await self._read_health(http)
                banned = await self._read_bans(http) if login else None
        except TimeoutError:
            return ProbeFailed("no answer in time", silent=True)
        except (OSError, aiohttp.ClientError, ReplyError, NotHealthyError, msgspec.DecodeError) as error:
            return ProbeFailed(str(error) or type(error).__name__)
        if isinstance(health, ProbePassed):
            return msgspec.structs.replace(health, features=features, banned=banned)
        return health

    async def _try_site(self, name: str, *, login: bool) -> frozenset[str] | None:
        """Does it greet, and where `login` says so, log in? Then its features."""
        features = None
        async with self._door.open(self._name, name) as session:
            if login and self._settings.sites[name].accounts:
                await self._door.log_in(session, name)
                features = names_in((await session.ask("FEAT")).lines)
            await session.ask("QUIT")
        return features

    async def _read_health(self, http: aiohttp.ClientSession) -> ProbePassed | ProbeFailed:
        async with http.get(f"http://{host_and_port(self._node.management)}/health") as response:
            response.raise_for_status()
            health = msgspec.json.decode(await response.read(), type=FtpnodeHealth)
        if health.node != self._name:
            return ProbeFailed(f"this is node {health.node}")
        why = "" if health.state is NodeState.READY else "; ".join(health.notices) or f"says it is {health.state.value}"
        return ProbePassed(
            health.state,
            why,
            disk_free=health.disk_free_bytes / health.disk_total_bytes if health.disk_total_bytes else 1.0,
            disk_full=_why_full(health, self._settings.replication.disk_reserve_bytes),
            drain_left_s=health.drain_left_s,
            backlog_files=health.replicator.wanted_files if health.replicator is not None else 0,
        )

    async def _read_bans(self, http: aiohttp.ClientSession) -> frozenset[str]:
        """The client addresses that this node has banned; they are turned away at the VIP too."""
        headers = {"Authorization": f"Bearer {self._token}"}
        async with http.get(f"http://{host_and_port(self._node.management)}/bans", headers=headers) as response:
            response.raise_for_status()
            bans = msgspec.json.decode(await response.read(), type=Bans)
        return frozenset(ban.address for ban in bans.bans)


def _why_full(health: FtpnodeHealth, reserve_bytes: int) -> str:
    """Why the node refuses uploads for its disk; empty where it does not, or has not looked yet."""
    if not health.disk_total_bytes or health.disk_free_bytes >= reserve_bytes:
        return ""
    return f"takes no uploads: its disk has {health.disk_free_bytes} bytes left, and the reserve is {reserve_bytes}"
