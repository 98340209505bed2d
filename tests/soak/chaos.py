"""What goes wrong, at moments that chance draws: replicators are killed and stopped, and wires between them fail."""

import random
import signal
import threading
from collections.abc import Callable

from tests.kit.record import Record
from tests.kit.replicators import Replicators
from tests.kit.wait import until
from tests.soak.calm import Calm
from tests.soak.relay import FAULTS, Relay

_START_S = 60.0


class Trouble(threading.Thread):
    """Makes one fault after the other, with rests of up to `most_rest_s` between them, until `is_over`."""

    def __init__(
        self,
        name: str,
        make: Callable[[random.Random], None],
        chance: random.Random,
        record: Record,
        calm: Calm,
        is_over: threading.Event,
        most_rest_s: float,
    ) -> None:
        super().__init__(name=name)
        self._make = make
        self._chance = chance
        self._record = record
        self._calm = calm
        self._is_over = is_over
        self._most_rest_s = most_rest_s

    def run(self) -> None:
        try:
            while not self._is_over.wait(self._chance.uniform(0, self._most_rest_s)):
                with self._calm.fault():
                    self._make(self._chance)
        except Exception as error:
            self._record.find(f"{self.name} failed: {error!r}")
            raise


class Hosts:
    """Kills and stops replicators."""

    def __init__(self, replicators: Replicators, record: Record, is_over: threading.Event) -> None:
        self._replicators = replicators
        self._record = record
        self._is_over = is_over

    def trouble(self, node: str, chance: random.Random) -> None:
        """One fault of one node, from its begin to its end."""
        if chance.random() < 0.4:
            self._record.count("replicators stopped and let go on (SIGSTOP, SIGCONT)")
            self._replicators.pause(node)
            self._is_over.wait(chance.choice((0.2, 2.0, 6.0)) * chance.random())
            self._replicators.go_on(node)
            return
        self.kill(node, signal.SIGTERM if chance.random() < 0.1 else signal.SIGKILL)
        self._is_over.wait(chance.choice((0.0, 1.0, 4.0)) * chance.random())
        self._replicators.start(node)
        if chance.random() < 0.25:  # the next one may come while it still starts
            self._is_over.wait(chance.random())
            return
        until(lambda: self._replicators.health(node), f"{node} answers again", _START_S)

    def kill(self, node: str, number: int = signal.SIGKILL) -> None:
        """End a replicator, which must have lived until then."""
        self.demand_alive(node)
        self._record.count(
            "replicators killed (SIGKILL)" if number == signal.SIGKILL else "replicators ended (SIGTERM)"
        )
        status = self._replicators.kill(node, number)
        if status not in {-number, 0 if number == signal.SIGTERM else -number}:
            self._record.find(f"{node} ended with status {status} on signal {number}")

    def demand_alive(self, node: str) -> None:
        status = self._replicators.processes[node].poll()
        if status is not None:
            self._record.find(f"{node} ended by itself with status {status}")


class Wires:
    """Has wires fail."""

    def __init__(self, relay: Relay, record: Record, is_over: threading.Event) -> None:
        self._relay = relay
        self._record = record
        self._is_over = is_over

    def trouble(self, chance: random.Random) -> None:
        """One fault of one wire, from its begin to its end."""
        pair, fault = chance.choice(self._relay.pairs), chance.choice(FAULTS)
        pairs = [pair, pair[::-1]] if chance.random() < 0.4 else [pair]
        self._record.count(f"wires: {fault.split()[0]}")
        for each in pairs:
            self._relay.fail(each, fault)
        self._is_over.wait(chance.choice((0.1, 2.0, 8.0)) * chance.random())
        self._relay.heal(*pairs)
