"""A balancer process before an ftpnode process, of one cluster without replicators; also where both are at ::1."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster.ask import UnreachableError, get_document
from cluster.health import BalancerHealth
from tests.kit.cluster_folder import LabCluster
from tests.kit.wait import PATIENCE_S, until

Entrance = tuple[str, int]


@contextlib.contextmanager
def running_vip(cluster: LabCluster) -> Iterator[Entrance]:
    """Run the cluster's balancer; where its clients come in once it finds its node usable."""
    with (cluster.folder / "balancer.log").open("wb") as log:
        command = [sys.executable, "-m", "balancer", "run", "--config", str(cluster.file), "--log-format", "json"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        balancer = cluster.settings.balancer
        try:
            until(lambda: _is_usable(balancer.management), "the balancer finds its node usable")
            yield balancer.vip, balancer.services["ingest"].port
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
    said = Path(log.name).read_text()
    assert "Traceback" not in said, said


def at_ipv6_loopback(document: dict[str, Any], first_port: int) -> None:
    """Change a cluster's file so that node and VIP are at ::1, with ports of their own in the 300 from `first_port`."""
    node, vip = ({"first": first_port + hundred, "last": first_port + hundred + 99} for hundred in (100, 200))
    document["sites"]["ingest"]["port"] = first_port
    document["nodes"]["node1"] |= {"address": "::1", "management_port": first_port + 1, "passive_ports": node}
    document["balancer"] |= {
        "vip": "::1",
        "source_addresses": ["::1"],
        "management_port": first_port + 2,
        "passive_ports": vip,
        "services": {"ingest": {"site": "ingest", "port": first_port + 3}},
    }


def _is_usable(management: tuple[str, int]) -> bool:
    try:
        return any(node.usable for node in get_document(management, "health", BalancerHealth).nodes)
    except UnreachableError:
        return False
