"""Runs the lab from an empty folder to a report: cluster, parts, clients, faults, settling, judgement."""

import json
import random
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from cluster.clock import monotonic_s, now_s, utc_now
from cluster.durable_file import PRIVATE_MODE, write_durably
from cluster.read_settings import read_settings
from compose.lab.fault import Chaos, fault_plans
from compose.lab.faults import Faults
from compose.lab.meter import ReplicationMeter
from compose.lab.parts import Parts
from compose.lab.process import PartFailedError, Process
from compose.lab.report import Report, judge
from compose.lab.tree import differences, read_tree
from compose.lab.upgrading import Upgrading
from compose.lab.view import Moment, NodeLine, View
from compose.new_cluster import network_plan, write_cluster
from stations.journal import What, read_journal
from stations.ledger import percentiles

_START_S = 30.0
_CORPUS_S = 300.0
_LAST_PUSH_S = 120.0
_UPGRADE_S = 600.0
_SETTLE_S = 120.0
_EVERY_S = 0.5
_LAB_REPLICATION = {"prepare_timeout_s": 3.0, "lease_s": 2.0, "reconnect_s": 0.5, "canary_interval_s": 2.0}


class LabOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to run; `chaos` None breaks nothing."""

    nodes: int = 2
    stations: int = 40
    seconds: float = 60.0
    hour_seconds: float = 10.0
    chaos: Chaos | None = None
    upgrade: bool = False
    seed: int = 1
    network: str = "127.0.0"
    corpus: Path = Path("corpus")
    real_files: Path | None = None


class Lab:
    """One run in `folder`; `stop` ends it early and cleanly."""

    def __init__(self, options: LabOptions, folder: Path, stop: threading.Event) -> None:
        self._options = options
        self._folder = folder
        self._stop = stop
        self._journal = folder / "journal.jsonl"
        logs = folder / "logs"
        logs.mkdir(parents=True)
        plan = network_plan("lab", options.nodes, network=options.network, folder=f"{folder}/")
        plan = msgspec.structs.replace(plan, spool=str(folder), replication=_LAB_REPLICATION)
        passwords = write_cluster(folder, plan, utc_now())
        write_durably(folder / "passwords.json", json.dumps(passwords).encode(), PRIVATE_MODE)
        self._settings = read_settings(folder / "cluster.yaml")
        self._parts = Parts(self._settings, folder / "cluster.yaml", logs, monotonic_s)
        self._roots = {name: node.root for name, node in self._settings.nodes.items()}
        self._meter = ReplicationMeter(self._journal, self._roots, now_s)
        plans = fault_plans(list(self._settings.nodes), options.chaos or Chaos.NODES, random.Random(options.seed))
        self._faults = Faults(self._parts, plans, monotonic_s)
        self._upgrading = Upgrading(self._settings, self._parts)
        self._clients = Process("stations", self._client_arguments(), logs / "stations.log")
        self._began_s, self._began_at_s = monotonic_s(), now_s()
        self._phase = ""

    def run(self, view: View) -> Report:
        """All of it; PartFailedError when a part ends by itself or the cluster never gets ready."""
        try:
            self._start(view)
            self._work(view)
            settled = self._settle(view)
        finally:
            self._faults.stop()
            self._upgrading.finish()
            self._clients.end(_LAST_PUSH_S)
            self._parts.end()
            self._meter.stop()
        return self._judge(view, settled=settled)

    def _start(self, view: View) -> None:
        self._enter(view, f"starting {self._options.nodes} nodes and the balancer on {self._settings.balancer.vip}")
        if self._parts.anybody_answers():
            raise PartFailedError(f"another cluster runs on {self._options.network}.10; choose another --network")
        self._parts.start()
        if not self._parts.wait_until(self._parts.all_usable, self._stop, _START_S) and not self._stop.is_set():
            raise PartFailedError(f"the balancer did not find every node usable within {_START_S:.0f} s")
        self._meter.start()
        self._enter(view, f"the stations observe ({self._options.stations} of them; files are made once)")
        self._clients.start()
        self._watch(view, self._journal_begun, _CORPUS_S)

    def _work(self, view: View) -> None:
        self._began_s, self._began_at_s = monotonic_s(), now_s()
        self._enter(view, "running")
        if self._options.chaos:
            self._faults.start()
        if self._options.upgrade:
            self._upgrading.start()
        self._watch(view, self._worked_enough, self._options.seconds + _UPGRADE_S)
        self._faults.stop()
        self._upgrading.finish()
        if (failure := self._faults.failure or self._upgrading.failure) is not None:
            raise failure
        self._enter(view, "the clients push what they still owe")
        self._clients.ask_to_end()
        self._watch(view, lambda: not self._clients.running, _LAST_PUSH_S, heed_stop=False)
        if self._clients.status != 0:
            raise PartFailedError(f"the clients ended with {self._clients.status}: {self._clients.last_words()}")

    def _worked_enough(self) -> bool:
        return monotonic_s() - self._began_s >= self._options.seconds and self._upgrading.is_over

    def _settle(self, view: View) -> bool:
        """Whether every node got everything and all agree, in time."""
        self._enter(view, "settling")
        steps = (self._parts.all_usable, self._parts.nothing_owed, self._alike)
        return all(self._watch(view, step, _SETTLE_S, heed_stop=False) for step in steps)

    def _alike(self) -> bool:
        return not differences({node: read_tree(root) for node, root in self._roots.items()})

    def _judge(self, view: View, *, settled: bool) -> Report:
        self._enter(view, "comparing every byte on every disk with what was acknowledged")
        return judge(
            read_journal(self._journal) if self._journal.exists() else [],
            {node: read_tree(root) for node, root in self._roots.items()},
            began_s=self._began_at_s,
            faults=self._faults.done,
            upgraded=self._upgrading.done,
            replication_seconds=percentiles(self._meter.seconds),
            settled=settled,
        )

    def _journal_begun(self) -> bool:
        return self._journal.exists() and self._journal.stat().st_size > 0

    def _watch(self, view: View, done: Callable[[], bool], timeout_s: float, *, heed_stop: bool = True) -> bool:
        """Show the lab until `done` (True), or a stop or the end of the time (False)."""
        deadline_s = monotonic_s() + timeout_s
        pause = self._stop if heed_stop else threading.Event()
        while not done():
            if monotonic_s() > deadline_s or pause.is_set():
                return False
            self._parts.demand_running()
            view.show(self._moment())
            pause.wait(_EVERY_S)
        return True

    def _enter(self, view: View, phase: str) -> None:
        self._phase = phase
        view.say(f"{phase} …")

    def _moment(self) -> Moment:
        seen, at_s = self._meter.seen, monotonic_s() - self._began_s
        balancer = self._parts.balancer_health()
        return Moment(
            at_s=at_s,
            seconds=self._options.seconds,
            phase=self._phase,
            sessions=balancer.sessions if balancer else 0,
            acknowledged=seen[What.UPLOAD_ACKNOWLEDGED],
            upload_errors=seen[What.UPLOAD_FAILED],
            on_every_node=seen[What.UPLOAD_ACKNOWLEDGED] - self._meter.waiting,
            downloads=seen[What.DOWNLOAD_FINISHED],
            download_errors=seen[What.DOWNLOAD_FAILED],
            corrupt=seen[What.DOWNLOAD_CORRUPT],
            rate=seen[What.UPLOAD_ACKNOWLEDGED] / at_s if at_s > 0 else 0.0,
            moved_sessions=balancer.moved_sessions if balancer else 0,
            repeated_uploads=balancer.repeated_uploads if balancer else 0,
            continued_downloads=balancer.continued_downloads if balancer else 0,
            nodes=tuple(self._node_line(name) for name in self._settings.nodes),
            faults=(*(f"{fault.at_s:6.1f} s  {fault.what}" for fault in self._faults.done), self._now()),
        )

    def _now(self) -> str:
        return self._faults.current or self._upgrading.current

    def _node_line(self, name: str) -> NodeLine:
        health = self._parts.node_health(name)
        if health is None:
            return NodeLine(name=name, state="down")
        replicator = health.replicator
        return NodeLine(
            name=name,
            state=health.state,
            sessions=health.sessions,
            files=replicator.files if replicator else 0,
            backlog_files=sum(peer.backlog_files for peer in replicator.peers) if replicator else 0,
            note="; ".join(health.notices),
        )

    def _client_arguments(self) -> list[str]:
        options, balancer = self._options, self._settings.balancer
        arguments = ["stations", "run", "--host", balancer.vip]
        arguments += ["--ingest-port", str(balancer.services["ingest"].port)]
        arguments += ["--public-port", str(balancer.services["public"].port)]
        arguments += ["--passwords", str(self._folder / "passwords.json"), "--ca", str(self._settings.cluster.ca)]
        arguments += ["--stations", str(options.stations), "--seconds", "0", "--seed", str(options.seed)]
        arguments += ["--hour-seconds", str(options.hour_seconds), "--journal", str(self._journal)]
        arguments += ["--corpus", str(options.corpus), "--source-network", "127.0.1.0/24"]
        return arguments + (["--real-files", str(options.real_files)] if options.real_files else [])
