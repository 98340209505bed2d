"""A node of a real cluster hangs (SIGSTOP) or loses its network without a word: its sessions go on elsewhere."""

import io
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cluster.health import BalancedNode
from tests.kit.running_cluster import RunningCluster, running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]

CONTENT = secrets.token_bytes(1 << 20) * 48  # more than all sockets on the way hold


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("hanging")) as cluster:
        yield cluster


@contextmanager
def stopped(cluster: RunningCluster, node: str) -> Iterator[None]:
    programs = (f"{node}.ftpnode", f"{node}.replicator")
    cluster.parts.pause(programs)
    try:
        yield
    finally:
        cluster.parts.go_on(programs)


@contextmanager
def cut_off(cluster: RunningCluster, node: str) -> Iterator[None]:
    """Every packet from and to the node is dropped: no FIN, no RST, no answer to SYN."""
    table, address = f"tripod_{os.getpid()}", cluster.files.settings.nodes[node].address
    rules = f"""table inet {table} {{
        chain out {{ type filter hook output priority 0; ip daddr {address} drop; ip saddr {address} drop; }}
    }}"""
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", table], check=True, capture_output=True)


LOSSES = [
    stopped,
    pytest.param(cut_off, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop packets")),
]


def busy_node(cluster: RunningCluster) -> str:
    """The node with the transfer in progress."""
    found: list[BalancedNode] = []

    def seen() -> bool:
        health = cluster.parts.balancer_health()
        found[:] = [node for node in health.nodes if node.transfers] if health else []
        return bool(found)

    until(seen, "a transfer is in progress")
    return found[0].node


@pytest.mark.parametrize("loss", LOSSES)
def test_a_download_goes_on_at_its_byte_and_the_session_after_it(cluster: RunningCluster, loss) -> None:
    with cluster.login("station") as station:
        station.storbinary("STOR down.bin", io.BytesIO(CONTENT))
        data = station.transfercmd("RETR down.bin")
        with data, data.makefile("rb") as stream:
            received = stream.read(100_000)
            with loss(cluster, busy_node(cluster)):
                received += stream.read()
                assert station.voidresp().startswith("226")
                assert station.pwd() == "/"
    assert received == CONTENT
    health = cluster.parts.balancer_health()
    assert health is not None
    assert health.continued_downloads >= 1
    cluster.wait_all_usable()


@pytest.mark.parametrize("loss", LOSSES)
def test_an_upload_is_repeated_elsewhere(cluster: RunningCluster, loss) -> None:
    with cluster.login("station") as station:
        data = station.transfercmd(f"STOR {loss.__name__}.bin")
        with data:
            data.sendall(CONTENT[:100_000])
            node = busy_node(cluster)
            with loss(cluster, node):
                data.sendall(CONTENT[100_000:])
                data.close()
                assert station.voidresp().startswith("226")
                (other,) = {"node1", "node2"} - {node}
                assert (cluster.root(other) / f"Station/{loss.__name__}.bin").read_bytes() == CONTENT
    cluster.wait_all_usable()
    late = cluster.root(node) / f"Station/{loss.__name__}.bin"
    until(lambda: late.exists() and late.read_bytes() == CONTENT, "the node catches up")
