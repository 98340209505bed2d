"""A whole cluster as real processes, as the lab starts it: for tests that look at it from the client's side."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ftplib import FTP, FTP_TLS
from pathlib import Path
from typing import Any

import msgspec

from cluster.clock import monotonic_s
from compose.lab.parts import Parts
from compose.lab.tree import Tree, read_tree
from tests.kit.clients import plain_client, secure_client
from tests.kit.cluster_folder import LabCluster, rewritten, write_cluster
from tests.kit.wait import until


class RunningCluster(msgspec.Struct, frozen=True):
    """The cluster's files and its programs."""

    files: LabCluster
    parts: Parts

    @property
    def vip(self) -> str:
        return self.files.settings.balancer.vip

    def root(self, node: str) -> Path:
        return self.files.settings.nodes[node].root

    def trees(self) -> dict[str, Tree]:
        return {node: read_tree(settings.root) for node, settings in self.files.settings.nodes.items()}

    def login(self, account: str, password: str | None = None) -> FTP:
        return plain_client(self.vip, 2121, account, self.files.passwords[account] if password is None else password)

    def secure_login(self, account: str) -> FTP_TLS:
        return secure_client(self.vip, 2121, account, self.files.passwords[account], self.files.ca)

    def anonymous(self) -> FTP:
        return plain_client(self.vip, 2122)

    def wait_all_usable(self) -> None:
        self.parts.demand_running()
        until(self.parts.all_usable, "the balancer finds every node usable")


@contextmanager
def running_cluster(
    folder: Path, nodes: int = 2, change: Callable[[dict[str, Any]], object] | None = None, **settings: object
) -> Iterator[RunningCluster]:
    """Start a cluster of `nodes` nodes and its balancer; everything is ended at the end.

    `change` is made to what its cluster.yaml says.
    """
    files = write_cluster(folder / "cluster", nodes, **settings)
    if change is not None:
        files = rewritten(files, change)
    logs = folder / "logs"
    logs.mkdir()
    parts = Parts(files.settings, files.file, logs, monotonic_s)
    parts.start()
    try:
        cluster = RunningCluster(files, parts)
        assert parts.wait_until(parts.all_usable, threading.Event(), 40), "not every node became usable"
        yield cluster
    finally:
        parts.end()
