"""Knows how the replicator and the disk were a moment ago, so that the health document never waits for either."""

import shutil
from collections.abc import Callable
from typing import Final

from cluster import clock
from cluster.health import FtpnodeHealth, ReplicatorHealth
from cluster.log import logger
from cluster.publish import Ask, State
from cluster.settings import Settings
from ftpnode.core.node_state import node_state
from ftpnode.drain import Drain
from ftpnode.ports import Publisher, PublisherUnreachableError

log = logger(__name__)

INTERVAL_S: Final = 1.0
_ASK_TIMEOUT_S: Final = 2.0


class VitalSigns:
    """What the health document of one node is made of."""

    def __init__(
        self,
        settings: Settings,
        node: str,
        *,
        replicator: Publisher | None,
        drain: Drain,
        sessions: Callable[[], int],
        transfers: Callable[[], int],
        workers: Callable[[], tuple[int, int]] = lambda: (1, 1),
    ) -> None:
        self._node = node
        self._root = settings.nodes[node].root
        self._reserve_bytes = settings.replication.disk_reserve_bytes
        self._replicator = replicator
        self._drain = drain
        self._sessions = sessions
        self._transfers = transfers
        self._workers = workers
        self._started_s = clock.monotonic_s()
        self._health: ReplicatorHealth | None = None
        self._disk = (0, 0)

    def look(self) -> None:
        """Ask the replicator and the disk; blocks, so call it from a worker thread."""
        usage = shutil.disk_usage(self._root)
        self._disk = (usage.free, usage.total)
        if self._replicator is None:
            return
        was_there = self._health is not None
        try:
            answer = self._replicator.ask(Ask(id=0), _ASK_TIMEOUT_S)
        except PublisherUnreachableError as error:
            self._health = None
            if was_there:
                log.warning("replicator lost", why=str(error))
            return
        self._health = answer.health if isinstance(answer, State) else None
        if not was_there and self._health is not None:
            log.info("replicator found", state=self._health.state.value)

    def document(self) -> FtpnodeHealth:
        """The health document of this moment."""
        free_bytes, total_bytes = self._disk
        state, notices = node_state(
            draining=self._drain.draining,
            has_replicator=self._replicator is not None,
            replicator=self._health,
            disk_free_bytes=free_bytes,
            reserve_bytes=self._reserve_bytes,
            workers=self._workers(),
        )
        return FtpnodeHealth(
            node=self._node,
            state=state,
            sessions=self._sessions(),
            transfers=self._transfers(),
            disk_free_bytes=free_bytes,
            disk_total_bytes=total_bytes,
            uptime_s=clock.monotonic_s() - self._started_s,
            replicator=self._health,
            drain_left_s=self._drain.left_s,
            notices=notices,
        )
