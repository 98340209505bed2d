"""A whole cluster in a temporary folder, on loopback addresses nobody else uses, for tests that start real programs."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import argon2
import msgspec
import yaml

from cluster.clock import utc_now
from cluster.read_settings import read_settings
from cluster.settings import Settings
from compose.new_cluster import network_plan
from compose.new_cluster import write_cluster as write_new_cluster

QUICK_REPLICATION = {
    "prepare_timeout_s": 3.0,
    "lease_s": 1.5,
    "reconnect_s": 0.2,
    "canary_interval_s": 1.0,
}
QUICK_LIMITS = {"login_delay_s": 0.0, "password_checks_at_once": 2, "ban_failures": 100_000}

QUICK_HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash
"""Of passwords whose check costs next to nothing; an honest one takes a core for the tenth of a second, each login."""


class LabCluster(msgspec.Struct, frozen=True):
    """A cluster on disk: its folder, its file, its settings, its passwords by account."""

    folder: Path
    file: Path
    settings: Settings
    passwords: dict[str, str]

    @property
    def ca(self) -> Path:
        return self.settings.cluster.ca

    def management_token(self) -> str:
        return self.settings.cluster.management_token.read_text().strip()


def rewritten(cluster: LabCluster, change: Callable[[dict[str, Any]], object]) -> LabCluster:
    """The same cluster after `change` of what its cluster.yaml says."""
    document = yaml.safe_load(cluster.file.read_text())
    change(document)
    cluster.file.write_text(yaml.safe_dump(document, sort_keys=False))
    return msgspec.structs.replace(cluster, settings=read_settings(cluster.file))


def free_network() -> str:
    """The first three numbers of a loopback network; one in 60,000, so that two tests do not meet."""
    return f"127.{random.randint(20, 250)}.{random.randint(1, 250)}"


def write_cluster(
    folder: Path,
    nodes: int = 2,
    replication: str = "full-mesh",
    replication_settings: Mapping[str, float | str] | None = None,
    limits: Mapping[str, float | str] | None = None,
    edit: Callable[[str], str] = str,
    **plan_changes: object,
) -> LabCluster:
    """Write a cluster of `nodes` nodes into `folder` (made if missing), with short timers; `edit` has the last word."""
    plan = msgspec.structs.replace(
        network_plan("test", nodes, network=free_network()),
        mode=replication,
        replication=QUICK_REPLICATION | dict(replication_settings or {}),
        limits=QUICK_LIMITS | dict(limits or {}),
        **({"spool": str(folder), "password_hash": QUICK_HASH} | plan_changes),
    )
    passwords = write_new_cluster(folder, plan, utc_now())
    file = folder / "cluster.yaml"
    file.write_text(edit(file.read_text()))
    return LabCluster(folder, file, read_settings(file), passwords)
