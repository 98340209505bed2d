"""One cluster with four entrances: over IPv4 and IPv6, at a node itself and at a VIP."""

import contextlib
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from cluster.read_settings import read_settings
from tests.balancer.peers.vip import running_vip
from tests.ftpnode.running import running as running_node
from tests.kit.cluster_folder import LabCluster, rewritten, write_cluster
from tests.kit.replicators import Replicators

Family = Literal["IPv4", "IPv6"]
Door = Literal["node", "VIP"]


class Entrance(msgspec.Struct, frozen=True):
    """Where clients come in, the root of the node that serves them, and what the account `station` needs."""

    address: str
    port: int
    implicit_port: int
    root: Path
    password: str
    ca: Path

    @property
    def host(self) -> str:
        """As URLs write it (RFC 3986, 3.2.2)."""
        return f"[{self.address}]" if ":" in self.address else self.address


@contextlib.contextmanager
def entrances(folder: Path) -> Iterator[Mapping[tuple[Family, Door], Entrance]]:
    """Run it: node1 at an IPv4 address and node2 at ::1 hold the same files; before node1 stands a VIP of each family.

    A node believes whoever comes from a balancer's address to be one, and there is only one ::1: so no balancer comes
    from there, and the VIP at ::1 has node1 behind it.
    """
    # Who runs the tests at the same time has the same ::1.
    first = random.randrange(20000, 29000, 100)
    cluster = rewritten(write_cluster(folder / "cluster", nodes=2), lambda document: _place(document, first))
    with contextlib.ExitStack() as stack:
        stack.enter_context(Replicators(cluster)).start().ready()
        found: dict[tuple[Family, Door], Entrance] = {}
        families: tuple[tuple[Family, str], ...] = (("IPv4", "node1"), ("IPv6", "node2"))
        for family, name in families:
            node = stack.enter_context(running_node(cluster, name=name))
            found[family, "node"] = _entrance(cluster, node.host, first, name)
        for number, (family, vip) in enumerate((("IPv4", cluster.settings.balancer.vip), ("IPv6", "::1"))):
            port = first + 10 * (number + 1)
            stack.enter_context(running_vip(_before_node1(cluster, vip, port, folder / family)))
            found[family, "VIP"] = _entrance(cluster, vip, port, "node1")
        yield found


def _place(document: dict[str, Any], first: int) -> None:
    document["sites"]["ingest"] |= {"port": first, "implicit_port": first + 1}
    document["nodes"]["node2"] |= {
        "replicator_address": document["nodes"]["node2"]["address"],
        "address": "::1",
        "management_port": first + 2,
        "passive_ports": {"first": first + 60, "last": first + 79},
    }
    document["balancer"]["source_addresses"].append("fd00::1")  # nobody has it


def _before_node1(cluster: LabCluster, vip: str, port: int, folder: Path) -> LabCluster:
    """The file of a balancer that has one node."""
    document = yaml.safe_load(cluster.file.read_text())
    del document["nodes"]["node2"]
    document["balancer"] |= {
        "vip": vip,
        "management_port": port + 2,
        "passive_ports": {"first": port + 20, "last": port + 29},
        "services": {"ingest": {"site": "ingest", "port": port, "implicit_port": port + 1}},
    }
    folder.mkdir()
    file = cluster.file.with_name(f"{folder.name}.yaml")
    file.write_text(yaml.safe_dump(document))
    return LabCluster(folder, file, read_settings(file), cluster.passwords)


def _entrance(cluster: LabCluster, address: str, port: int, node: str) -> Entrance:
    root = cluster.settings.nodes[node].root
    return Entrance(address, port, port + 1, root, cluster.passwords["station"], cluster.ca)
