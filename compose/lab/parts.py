"""The programs of the lab's cluster: starts them, says how they are, kills and restarts them for the faults."""

import threading
from collections.abc import Callable
from pathlib import Path

from cluster.health import BalancerHealth, FtpnodeHealth, NodeState
from cluster.settings import Settings
from compose.lab.process import PartFailedError, Process
from compose.status import ClusterStatus, health, in_sync

_EVERY_S = 0.1
_ASK_TIMEOUT_S = 1.0
_END_TIMEOUT_S = 10.0
_HAND_OVER_S = 60.0


class Parts:
    """Every replicator, every ftpnode and the balancer; `down` are those that a fault holds down on purpose."""

    def __init__(self, settings: Settings, file: Path, logs: Path, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self.down: set[str] = set()
        config = ["--config", str(file), "--log-format", "text"]
        self._processes: dict[str, Process] = {}
        for node in settings.nodes:
            replicator = ["replicator", "run", *config, "--node", node]
            self._add(f"{node}.replicator", replicator, logs)
            self._add(f"{node}.ftpnode", ["ftpnode", *config, "--node", node], logs)
        # So that one that a fault killed while its predecessor finished goes on from there.
        self._add("balancer", ["balancer", "run", "--take-over", *config], logs)
        self._succeeded: list[Process] = []

    def _add(self, name: str, arguments: list[str], logs: Path) -> None:
        self._processes[name] = Process(name, arguments, logs / f"{name}.log")

    def start(self) -> None:
        """Start all of them."""
        for process in self._processes.values():
            process.start()

    def end(self) -> None:
        """End all of them: the balancer first, then the ftpnodes, the replicators last."""
        ordered = [*reversed(self._processes.values()), *self._succeeded]
        for process in ordered:
            process.end(_END_TIMEOUT_S)

    def kill(self, names: tuple[str, ...]) -> None:
        """SIGKILL these."""
        with self._lock:
            self.down |= set(names)
            for name in names:
                self._processes[name].kill()

    def pause(self, names: tuple[str, ...]) -> None:
        """SIGSTOP these."""
        with self._lock:
            for name in names:
                self._processes[name].pause()

    def go_on(self, names: tuple[str, ...]) -> None:
        """Let these go on."""
        with self._lock:
            for name in names:
                self._processes[name].go_on()

    def restart(self, names: tuple[str, ...]) -> None:
        """Start these again."""
        with self._lock:
            for name in names:
                self._processes[name].start()
            self.down -= set(names)

    def end_and_start(self, names: tuple[str, ...]) -> None:
        """End these cleanly, in this order, and start them again."""
        with self._lock:
            self.down |= set(names)
            processes = [self._processes[name] for name in names]
        for process in processes:
            process.end(_END_TIMEOUT_S)
        self.restart(tuple(reversed(names)))

    def hand_over_balancer(self) -> None:
        """Start another balancer, which takes over; return when it serves. PartFailedError when it does not."""
        old = self._processes["balancer"]
        new = old.copy()
        new.start()
        deadline_s = self._clock() + _HAND_OVER_S
        pause = threading.Event()  # nobody sets it
        while (health := self.balancer_health()) is None or health.process != new.process_id:
            new.demand_running()
            if self._clock() > deadline_s:
                raise PartFailedError("the new balancer does not take over")
            pause.wait(_EVERY_S)
        with self._lock:
            self._processes["balancer"] = new
            self._succeeded.append(old)

    def demand_running(self) -> None:
        """PartFailedError when one ended although no fault killed it."""
        with self._lock:
            for name, process in self._processes.items():
                if name not in self.down:
                    process.demand_running()

    def balancer_health(self) -> BalancerHealth | None:
        """What the balancer says of itself, None when it does not answer."""
        return health(self._settings.balancer.management, BalancerHealth, timeout_s=_ASK_TIMEOUT_S)

    def node_health(self, name: str) -> FtpnodeHealth | None:
        """What a node's ftpnode says of itself, None when it does not answer."""
        return health(self._settings.nodes[name].management, FtpnodeHealth, timeout_s=_ASK_TIMEOUT_S)

    def anybody_answers(self) -> bool:
        """Whether the balancer's or a node's address is already served, by this cluster or by another."""
        return self.balancer_health() is not None or any(map(self.node_health, self._settings.nodes))

    def all_usable(self) -> bool:
        """Whether every node says that it is ready, and the balancer would send clients to each of them."""
        for name in self._settings.nodes:
            node = self.node_health(name)
            if node is None or node.state is not NodeState.READY:
                return False
        balancer = self.balancer_health()
        return balancer is not None and all(node.usable for node in balancer.nodes)

    def nothing_owed(self) -> bool:
        """Whether every replicator knows every peer in sync and lacks nothing, and neither does a peer."""
        return in_sync(ClusterStatus(None, {name: self.node_health(name) for name in self._settings.nodes}))

    def wait_until(self, condition: Callable[[], bool], stop: threading.Event, timeout_s: float) -> bool:
        """Poll until `condition` holds (True), or the time is over or `stop` is set (False)."""
        deadline_s = self._clock() + timeout_s
        while True:
            self.demand_running()
            if condition():
                return True
            if stop.wait(_EVERY_S) or self._clock() > deadline_s:
                return False
