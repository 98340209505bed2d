"""Conflicts on purpose: while no node can hear of another each writes the same path, and what comes of it is known."""

import random
import threading

import msgspec

from cluster.content_id import content_id_of
from cluster.publish import Done, Policy
from tests.kit.publish_client import PublishClient
from tests.kit.record import Record
from tests.kit.replicators import Replicators
from tests.kit.self_telling import new_content
from tests.kit.wait import until
from tests.soak.calm import Calm
from tests.soak.chaos import Hosts
from tests.soak.operations import DONE, Journal, Operation
from tests.soak.relay import Relay

_ALONE = Policy(nodes="any-peer", when_short="degrade")
_READY_S = 60.0
_MOST_BYTES = 5000


class Split(msgspec.Struct, frozen=True):
    """One path, and the contents that nodes wrote to it without hearing of one another, the last one last."""

    path: str
    contents: tuple[tuple[str, str], ...]


class Splitter(threading.Thread):
    """Splits the cluster again and again until `is_over`."""

    def __init__(
        self,
        replicators: Replicators,
        relay: Relay,
        hosts: Hosts,
        journal: Journal,
        chance: random.Random,
        record: Record,
        calm: Calm,
        is_over: threading.Event,
        most_rest_s: float,
    ) -> None:
        super().__init__(name="splitter")
        self.splits: list[Split] = []
        self._replicators = replicators
        self._relay = relay
        self._hosts = hosts
        self._journal = journal
        self._chance = chance
        self._record = record
        self._calm = calm
        self._is_over = is_over
        self._most_rest_s = most_rest_s

    def run(self) -> None:
        try:
            while not self._is_over.wait(self._chance.uniform(0, self._most_rest_s)):
                with self._calm.calm():
                    self._split()
        except Exception as error:
            self._record.find(f"{self.name} failed: {error!r}")
            raise

    def _split(self) -> None:
        for pair in self._relay.pairs:
            self._relay.fail(pair, "cut")
        try:
            path = f"split/{len(self.splits)}"
            nodes = self._chance.sample(self._replicators.names, self._chance.choice((2, 3, 3)))
            contents = [(node, self._upload(node, path)) for node in nodes]
            self.splits.append(Split(path, tuple(contents)))
            self._record.count("splits in which each node wrote the same path")
            if self._chance.random() < 0.5:
                victim = self._chance.choice(nodes)
                self._hosts.kill(victim)
                self._replicators.start(victim)
        finally:
            self._relay.heal()

    def _upload(self, node: str, path: str) -> str:
        until(
            lambda: (self._replicators.health(node) or {}).get("state") == "ready", f"{node} is ready alone", _READY_S
        )
        content = new_content(self._chance, _MOST_BYTES)
        operation = self._journal.begin(
            Operation(who=self.name, node=node, kind="upload", path=path, content=content_id_of(content))
        )
        with PublishClient(self._replicators.cluster.settings.nodes[node]) as client:
            answer = client.upload(path, content, _ALONE)
        if isinstance(answer, Done) and answer.copies == 1:
            operation.end(DONE, 1)
        else:
            self._record.find(f"{path} was uploaded to {node}, which nobody can reach, and it said {answer}")
        return operation.content
