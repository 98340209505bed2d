"""Real replicators of a cluster folder: starts them, kills them, asks them how they are."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.kit.cluster_folder import LabCluster
from tests.kit.publish_client import PublishClient, tree
from tests.kit.wait import PATIENCE_S, until

_JSON = ("--log-format", "json")


class Replicators:
    """The replicators of one cluster; use as a context manager. `files` are the cluster files of nodes that differ."""

    def __init__(self, cluster: LabCluster, files: Mapping[str, Path] | None = None) -> None:
        self.cluster = cluster
        self._files = dict(files or {})
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.processes):
            self.kill(name)

    @property
    def names(self) -> list[str]:
        return list(self.cluster.settings.nodes)

    def root(self, name: str) -> Path:
        return self.cluster.settings.nodes[name].root

    def start(self, *names: str) -> "Replicators":
        for name in names or self.names:
            file = self._files.get(name, self.cluster.file)
            with (self.cluster.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "replicator", "run", "--config", file, "--node", name, *_JSON], stderr=log
                )
        return self

    def ready(self, *names: str, timeout_s: float = PATIENCE_S) -> "Replicators":
        """Wait until these (default: all running) are ready and hold leases on one another."""
        names = names or tuple(self.processes)

        def all_are() -> bool:
            healths = [self.health(name) for name in names]
            return all(
                health
                and health["state"] == "ready"
                and all(peer["in_sync"] for peer in health["peers"] if peer["peer"] in self.processes)
                for health in healths
            )

        until(all_are, f"{names} are ready: {[self.health(name) for name in names]}", timeout_s)
        return self

    def health(self, name: str) -> dict | None:
        return self.document(name, "health")

    def document(self, name: str, what: str) -> dict | None:
        host, port = self.cluster.settings.nodes[name].replicator_management
        try:
            url = f"http://{host}:{port}/{what}"
            token = {"Authorization": f"Bearer {self.cluster.management_token()}"}
            with urllib.request.urlopen(urllib.request.Request(url, headers=token), timeout=2) as answer:
                return json.load(answer)
        except OSError:
            return None

    def client(self, name: str) -> PublishClient:
        return PublishClient(self.cluster.settings.nodes[name])

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        return process.wait(PATIENCE_S)

    def pause(self, name: str) -> None:
        os.kill(self.processes[name].pid, signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        os.kill(self.processes[name].pid, signal.SIGCONT)

    def log(self, name: str) -> str:
        return (self.cluster.folder / f"{name}.log").read_text()

    def alike(self, what: str, timeout_s: float = PATIENCE_S) -> dict[str, bytes | None]:
        """Wait until all running nodes show the same tree and want nothing; that tree."""

        def same() -> bool:
            trees = [tree(self.root(name)) for name in self.processes]
            healths = [self.health(name) for name in self.processes]
            quiet = all(health and health["wanted_files"] == 0 for health in healths)
            return quiet and all(other == trees[0] for other in trees)

        until(same, what, timeout_s)
        return tree(self.root(next(iter(self.processes))))
