"""What operators ask of a node at its management endpoint, the same whether one process serves it or several."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import prometheus_client

from cluster import clock
from cluster.health import FtpnodeHealth
from cluster.live import AccountUsages, Affected, LiveSessions, Reloaded
from cluster.log import logger
from cluster.management import Management
from cluster.problem import ConfigError
from ftpnode.drain import Drain
from ftpnode.tally import NodeTally
from ftpnode.vital_signs import VitalSigns

log = logger(__name__)

_LONGEST_DEADLINE_S: Final = 86_400.0


class Operators:
    """Their actions: `kick` ends the sessions of an id and counts them, `reload` follows cluster.yaml or raises."""

    def __init__(
        self,
        *,
        drain: Drain,
        tally: NodeTally,
        vital_signs: VitalSigns,
        kick: Callable[[str], Awaitable[int]],
        reload: Callable[[], Awaitable[Reloaded]],
    ) -> None:
        self._drain_flag = drain
        self._tally = tally
        self._vital_signs = vital_signs
        self._kick_sessions = kick
        self._reload_settings = reload

    def management(
        self,
        *,
        token: str,
        registry: prometheus_client.CollectorRegistry,
        sessions: Callable[[], LiveSessions | Awaitable[LiveSessions]],
        usage: Callable[[], Awaitable[AccountUsages]],
        refresh: Callable[[], Awaitable[None]] | None = None,
    ) -> Management:
        """The endpoint; `refresh` is awaited before the metrics are told."""
        return Management(
            health=self._vital_signs.document,
            registry=registry,
            token=token,
            documents={
                "sessions": sessions,
                "usage": usage,
                "bans": lambda: self._tally.bans(clock.monotonic_s()),
            },
            actions={
                "drain": self._drain,
                "enable": self._enable,
                "kick": self._kick,
                "lift": self._lift,
                "reload": self._reload,
            },
            refresh=refresh,
        )

    async def _drain(self, query: Mapping[str, str]) -> FtpnodeHealth:
        deadline_s = _seconds(query, "deadline_s")
        await asyncio.to_thread(self._drain_flag.drain, deadline_s)
        log.info("draining", deadline_s=deadline_s)
        return self._vital_signs.document()

    async def _enable(self, _query: Mapping[str, str]) -> FtpnodeHealth:
        await asyncio.to_thread(self._drain_flag.enable)
        log.info("enabled")
        return self._vital_signs.document()

    async def _kick(self, query: Mapping[str, str]) -> Affected:
        session = _needed(query, "id")
        count = await self._kick_sessions(session)
        log.info("kicked", session=session, count=count)
        return Affected(count)

    async def _lift(self, query: Mapping[str, str]) -> Affected:
        address = _needed(query, "address")
        lifted = self._tally.lift(address, clock.monotonic_s())
        log.info("ban lifted", client=address, was_banned=lifted)
        return Affected(int(lifted))

    async def _reload(self, _query: Mapping[str, str]) -> Reloaded:
        try:
            return await self._reload_settings()
        except ConfigError as error:
            log_refusal(error)
            raise ValueError(str(error)) from error


def log_refusal(error: ConfigError) -> None:
    """Say why the settings stay as they were."""
    for problem in error.problems:
        log.error("reload refused", where=problem.where, what=problem.what, fix=problem.fix)


def _seconds(query: Mapping[str, str], name: str) -> float | None:
    if name not in query:
        return None
    try:
        seconds = float(query[name])
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_DEADLINE_S:
        raise ValueError(f"{name} is a number of seconds, up to {_LONGEST_DEADLINE_S:.0f}")
    return seconds


def _needed(query: Mapping[str, str], name: str) -> str:
    if not query.get(name):
        raise ValueError(f"the query must say {name}=…")
    return query[name]
