"""A rolling upgrade of the lab's own programs, in a thread, while the clients work."""

import threading

from typing_extensions import override

from cluster.settings import Settings
from cluster.upgrade_settings import Upgrade
from compose.lab.parts import Parts
from compose.lab.process import PartFailedError
from compose.upgrade import RollingUpgrade, UpgradeFailedError
from compose.upgrade_ground import ManagedGround

_TIMES = Upgrade(drain_s=30.0, ready_s=60.0)


class LabGround(ManagedGround):
    """The lab's cluster: its programs are our own children."""

    def __init__(self, settings: Settings, token: str, parts: Parts) -> None:
        super().__init__(settings, token)
        self._parts = parts

    @override
    def restart(self, node: str) -> None:
        self._parts.end_and_start((f"{node}.ftpnode", f"{node}.replicator"))

    @override
    def hand_over(self) -> None:
        try:
            self._parts.hand_over_balancer()
        except PartFailedError as error:
            raise UpgradeFailedError(str(error)) from error


class Upgrading:
    """One upgrade of everything; `done` lists the parts that are, `current` says what is being done."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        token = settings.cluster.management_token.read_text(encoding="latin-1").strip()
        self.current = ""
        self.failure: PartFailedError | None = None
        self._upgrade = RollingUpgrade(LabGround(settings, token, parts), _TIMES, self._say)
        self._nodes = tuple(settings.nodes)
        self._thread = threading.Thread(target=self._run, name="upgrade")

    @property
    def done(self) -> tuple[str, ...]:
        """The parts that are upgraded."""
        return tuple(self._upgrade.done)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or never began."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Return when it is over."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._upgrade.run(self._nodes, balancer=True)
        except UpgradeFailedError as error:
            self.failure = PartFailedError(f"upgrade: {error}")
        self.current = ""

    def _say(self, line: str) -> None:
        self.current = line
