"""Kills the parts of one node, again and again, at random moments, and starts them at once."""

import random
import threading
from collections.abc import Callable

from cluster.ask import RefusedError, UnreachableError, get_document
from cluster.health import FtpnodeHealth, ReplicatorHealth
from cluster.tree_path import STAGING
from tests.kit.record import Record
from tests.kit.running_cluster import RunningCluster
from tests.kit.wait import until

_START_S = 60.0
_PARTS = ("ftpnode", "replicator")


class Killer(threading.Thread):
    """Kills until `enough()`. One kill in four comes while the part still starts.

    `look` is called when the parts are dead, before they start again.
    """

    def __init__(
        self,
        cluster: RunningCluster,
        node: str,
        chance: random.Random,
        record: Record,
        most_rest_s: float,
        look: Callable[[], None],
        enough: Callable[[], bool],
    ) -> None:
        super().__init__(name=f"killer of {node}")
        self._parts = cluster.parts
        self._node = cluster.files.settings.nodes[node]
        self._node_name = node
        self._chance = chance
        self._record = record
        self._most_rest_s = most_rest_s
        self._look = look
        self._enough = enough
        self._pause = threading.Event()
        self._left: set[str] = set()

    def run(self) -> None:
        try:
            while not self._enough():
                self._kill(_PARTS if self._chance.random() < 0.15 else (self._chance.choice(_PARTS),))
        except Exception as error:
            self._record.find(f"{self.name} failed: {error!r}")
            raise

    def _kill(self, parts: tuple[str, ...]) -> None:
        self._pause.wait(self._chance.uniform(0, self._most_rest_s))
        names = tuple(f"{self._node_name}.{part}" for part in parts)
        self._parts.kill(names)
        self._look()  # a part of a file that the kill left visible stands there until somebody mends it
        if "ftpnode" in parts:
            self._left |= {file.name for file in (self._node.root / STAGING).glob("up-*")}
        self._parts.restart(names)
        for part in parts:
            self._record.count(f"kills of {part}s")
        self._record.count("kills", len(parts))
        if self._chance.random() < 0.25:
            self._pause.wait(self._chance.uniform(0, 1))
            return
        until(self._all_answer, f"the parts of {self._node_name} answer again", _START_S)
        self._check_staging()

    def _check_staging(self) -> None:
        """What ftpnodes left when they were killed is gone once a new one answers."""
        still = {file.name for file in (self._node.root / STAGING).glob("up-*")} & self._left
        if still:
            self._record.find(f"{self._node_name} started and left {sorted(still)} in staging")
        self._record.count("staged files left by kills, and cleaned", len(self._left - still))
        self._left.clear()

    def _all_answer(self) -> bool:
        try:
            get_document(self._node.management, "health", FtpnodeHealth, timeout_s=1.0)
            get_document(self._node.replicator_management, "health", ReplicatorHealth, timeout_s=1.0)
        except (UnreachableError, RefusedError):
            return False
        return True
