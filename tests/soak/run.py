"""One run: replicators, wires, writers and troubles; then everything is healed, and judged."""

import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import yaml

from cluster.ask import get_document
from cluster.clock import monotonic_s
from cluster.explained import Explained
from cluster.kept import ConflictList
from cluster.publish import Done, Policy, Remove
from tests.kit.cluster_folder import LabCluster, rewritten, write_cluster
from tests.kit.record import Record
from tests.kit.replicators import Replicators
from tests.kit.wait import until
from tests.soak.calm import Calm
from tests.soak.chaos import Hosts, Trouble, Wires
from tests.soak.client import Client
from tests.soak.judge import Judge, differences
from tests.soak.logs import unexplained
from tests.soak.operations import DONE, UNKNOWN, Journal, Operation
from tests.soak.paths import all_shared
from tests.soak.program import Program
from tests.soak.relay import Address, Pair, Relay
from tests.soak.shown import Shown, all_contents, read_entries, read_shown
from tests.soak.split import Splitter

NODES = 3
_SETTLE_S = 180.0
_JOIN_S = 120.0
_QUIET_S = 2.0
_EXPLAINED = 3
REPLICATION = {
    "staged_expiry_s": 5.0,
    "compare_interval_s": 20.0,
    "propagation_interval_s": 5.0,
}
NO_BUDGETS = {"found": None, "peers": None}  # whole folders go, and nobody is there to approve


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long, and how much: rests are of a random time up to these."""

    seconds: float
    seed: int = 1
    clients: int = 5
    host_rest_s: float = 6.0
    wire_rest_s: float = 4.0
    split_rest_s: float = 40.0
    writer_rest_s: float = 0.3


def run(plan: Plan, folder: Path, record: Record, progress: Callable[[], None] = lambda: None) -> None:
    """Carry the plan out in `folder`; `record` has the counts and the findings. `progress` is called now and then."""
    cluster = rewritten(
        write_cluster(folder / "cluster", NODES, replication_settings=REPLICATION),
        lambda document: document["replication"].update(delete_budgets=NO_BUDGETS),
    )
    routes = _routes(cluster)
    files = _files(cluster, routes)
    (folder / "beside").mkdir()
    with Relay(routes) as relay, Replicators(cluster, files) as replicators:
        replicators.start().ready()
        _Soak(plan, folder, record, relay, replicators).run(progress)


def chance(plan: Plan, who: object) -> random.Random:
    """The chance of one thread: the same for the same seed, whatever the others do."""
    return random.Random(f"{plan.seed} {who}")


class _Soak:
    def __init__(self, plan: Plan, folder: Path, record: Record, relay: Relay, replicators: Replicators) -> None:
        self._plan, self._record, self._relay, self._replicators = plan, record, relay, replicators
        self._journal, self._calm, self._is_over = Journal(), Calm(), threading.Event()
        self._hosts = Hosts(replicators, record, self._is_over)
        self._beside = folder / "beside"

    def run(self, progress: Callable[[], None]) -> None:
        plan, shared = self._plan, (self._record, self._calm, self._is_over)
        wires = Wires(self._relay, self._record, self._is_over)
        splitter = Splitter(
            self._replicators, self._relay, self._hosts, self._journal, chance(plan, "splits"), *shared,
            plan.split_rest_s,
        )  # fmt: skip
        threads: list[threading.Thread] = [splitter, *self._writers()]
        for node in self._replicators.names:
            name = f"trouble of {node}"
            make = _of(self._hosts.trouble, node)
            threads.append(Trouble(name, make, chance(plan, name), *shared, plan.host_rest_s))
        for number in range(2):
            name = f"trouble of wires {number}"
            threads.append(Trouble(name, wires.trouble, chance(plan, name), *shared, plan.wire_rest_s))
        ends_s = monotonic_s() + plan.seconds
        for thread in threads:
            thread.start()
        pause = threading.Event()
        try:
            while monotonic_s() < ends_s and not self._record.findings:
                pause.wait(0.5)
                progress()
        finally:
            self._is_over.set()
        for thread in threads:
            thread.join(_JOIN_S)
            if thread.is_alive():
                self._record.find(f"{thread.name} does not end")
        self._judge(splitter)

    def _writers(self) -> list[threading.Thread]:
        plan, more = self._plan, (self._record, self._is_over, self._plan.writer_rest_s)
        clients: list[threading.Thread] = [
            Client(number, self._replicators, self._journal, chance(plan, f"client {number}"), *more)
            for number in range(plan.clients)
        ]
        programs = [
            Program(node, self._replicators.root(node), self._beside, self._journal, chance(plan, node), *more)
            for node in self._replicators.names
        ]
        return [*clients, *programs]

    def _judge(self, splitter: Splitter) -> None:
        try:
            self._heal()
        except AssertionError as error:
            self._record.find(str(error))
        nodes = {name: self._shown(name) for name in self._replicators.names}
        judge = Judge(self._journal.all(), splitter.splits, nodes)
        for finding in judge.findings():
            self._record.find(finding)
        self._compare_versions(nodes, judge)
        self._compare_with_command(nodes)
        self._explain_differences(nodes)
        self._record.count("operations", len(self._journal))
        self._record.count("files compared at the end", sum(len(shown.tree) for shown in nodes.values()))
        self._record.count("conflicts listed in the end", sum(len(shown.listed) for shown in nodes.values()))
        for name in self._replicators.names:
            self._hosts.demand_alive(name)
            for line in unexplained(self._replicators.log(name)):
                self._record.find(f"log of {name}: {line[:2000]}")

    def _heal(self) -> None:
        """With nothing wrong any more, all come to rest, and then change nothing more."""
        self._relay.heal()
        for name in self._replicators.names:
            if name not in self._replicators.processes:
                self._replicators.start(name)
            self._hosts.demand_alive(name)
        self._replicators.ready(timeout_s=_SETTLE_S)
        self._remove_what_nobody_has()
        until(self._is_settled, "all nodes are alike and at rest", _SETTLE_S, every_s=0.5)

    def _remove_what_nobody_has(self) -> None:
        """As an operator would: what a program deleted while its replicator was down and alone had it, is gone.

        A scan takes an absence for damage, so all nodes wait for a content that cannot come back.
        """
        until(self._has_heard_all, "all nodes have told one another what they have", _SETTLE_S)
        name = self._replicators.names[0]
        deleted = {operation.path: operation for operation in self._journal.all() if operation.kind == "delete"}
        held = {content for each in self._replicators.names for content in all_contents(self._replicators.root(each))}
        for path in deleted:
            told = self._ask(name, "explain", Explained, path=path).versions
            if not told or told[0].kind != "file" or told[0].content_id in held:
                continue
            self._record.count("paths whose content a program deleted when no other node had it")
            gone = frozenset((told[0].content_id,))
            operation = self._journal.begin(Operation(who="operator", node=name, kind="remove", path=path, gone=gone))
            with self._replicators.client(name) as client:
                answer = client.ask(Remove(id=client.next_number(), path=path, kind="file", policy=Policy("local")))
            operation.end(DONE if isinstance(answer, Done) else UNKNOWN)

    def _has_heard_all(self) -> bool:
        """Whether all nodes know the same versions where a program deleted something."""
        if any(health is None or health["to_hear"] for health in self._healths()):
            return False
        paths = {operation.path for operation in self._journal.all() if operation.kind == "delete"}
        return all(len(set(self._versions(path).values())) == 1 for path in paths)

    def _versions(self, path: str) -> dict[str, frozenset[tuple[str, int]]]:
        told = {name: self._ask(name, "explain", Explained, path=path) for name in self._replicators.names}
        return {name: frozenset((one.replica, one.sequence) for one in each.versions) for name, each in told.items()}

    def _healths(self) -> list[dict | None]:
        return [self._replicators.health(name) for name in self._replicators.names]

    def _is_settled(self) -> bool:
        before = self._state()
        if before is None:
            return False
        threading.Event().wait(_QUIET_S)
        trees = [read_entries(self._replicators.root(name)) for name in self._replicators.names]
        staged = any(
            any((self._replicators.root(name) / ".tripod/staging").iterdir()) for name in self._replicators.names
        )
        return all(tree == trees[0] for tree in trees) and not staged and self._state() == before

    def _state(self) -> list[int] | None:
        """The sequences of all nodes, if nobody wants anything or owes it."""
        healths = self._healths()
        rests = all(
            health
            and not health["wanted_files"]
            and not any(peer["backlog_files"] for peer in health["peers"])
            and all(peer["in_sync"] for peer in health["peers"])
            for health in healths
        )
        return [health["sequence"] for health in healths if health] if rests else None

    def _shown(self, name: str) -> Shown:
        return read_shown(self._replicators.root(name), self._ask(name, "conflicts", ConflictList))

    def _compare_versions(self, nodes: dict[str, Shown], judge: Judge) -> None:
        """All nodes know the same versions of the paths at which writers met, and list those of them that lost."""
        kept = {content for shown in nodes.values() for content in shown.kept.values()}
        for path in all_shared():
            told = {name: self._ask(name, "explain", Explained, path=path) for name in nodes}
            versions = self._versions(path)
            if len(set(versions.values())) > 1:
                self._record.find(f"{path}: the nodes know different versions of it: {versions}")
            for name, each in told.items():
                listed = {one.content_id for one in nodes[name].listed if one.path == path}
                for loser in each.versions[1:]:
                    if loser.kind != "file" or loser.content_id == each.versions[0].content_id:
                        continue
                    self._record.count("versions that lose in the end")
                    if loser.content_id not in listed:
                        self._record.find(
                            f"{path}: {name} does not list {loser}, which lost against {each.versions[0]}"
                        )
                    if loser.content_id not in kept and not judge.is_explained(loser.content_id):
                        self._record.find(f"{path}: no store has {loser}, which lost against {each.versions[0]}")

    def _explain_differences(self, nodes: dict[str, Shown]) -> None:
        """What each node knows of the first paths that are not alike, for whoever looks into it."""
        for path in list(dict.fromkeys(difference.path for difference in differences(nodes)))[:_EXPLAINED]:
            for name in nodes:
                self._record.find(f"{path}: {self._ask(name, 'explain', Explained, path=path)}")

    def _compare_with_command(self, nodes: dict[str, Shown]) -> None:
        """`tripod conflicts` shows what the nodes list."""
        command = [
            sys.executable,
            "-m",
            "compose",
            "conflicts",
            "list",
            "--json",
            "--config",
            str(self._replicators.cluster.file),
        ]
        said = subprocess.run(command, capture_output=True, check=True)
        told = msgspec.json.decode(said.stdout, type=dict[str, ConflictList])
        if {name: set(each.conflicts) for name, each in told.items()} != {
            name: set(shown.listed) for name, shown in nodes.items()
        }:
            self._record.find("`tripod conflicts list` shows something else than the nodes list")

    def _ask(self, name: str, what: str, kind: type, **query: str):
        settings = self._replicators.cluster.settings
        token = self._replicators.cluster.management_token()
        return get_document(
            settings.nodes[name].replicator_management, what, kind, token=token, timeout_s=30.0, **query
        )


def _of(make: Callable[[str, random.Random], None], node: str) -> Callable[[random.Random], None]:
    return lambda chance: make(node, chance)


def _routes(cluster: LabCluster) -> dict[Pair, tuple[Address, Address]]:
    """Each wire has an address of its own on the loopback network of the cluster."""
    nodes = cluster.settings.nodes
    network = next(iter(nodes.values())).address.rpartition(".")[0]
    pairs = [(one, other) for one in nodes for other in nodes if one != other]
    return {
        (one, other): (
            (f"{network}.{200 + number}", nodes[other].peer_port),
            (nodes[other].replicator_host, nodes[other].peer_port),
        )
        for number, (one, other) in enumerate(pairs)
    }


def _files(cluster: LabCluster, routes: dict[Pair, tuple[Address, Address]]) -> dict[str, Path]:
    """A cluster file for each node, in which its peers stand where its wires begin."""
    files = {}
    for node in cluster.settings.nodes:
        document = yaml.safe_load(cluster.file.read_text())
        for (one, other), ((address, _), _) in routes.items():
            if one == node:
                document["nodes"][other]["replicator_address"] = address
        files[node] = cluster.folder / f"cluster-of-{node}.yaml"
        files[node].write_text(yaml.safe_dump(document, sort_keys=False))
    return files


__all__ = ["Plan", "run"]
