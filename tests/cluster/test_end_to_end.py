"""A whole cluster of real processes, seen from its clients: both nodes hold what was acknowledged, and one may die."""

import io
import secrets
import shutil
import subprocess
from pathlib import Path

import georinex
import hatanaka
import pytest

from cluster.ask import post_action
from cluster.content_id import content_id_of
from cluster.health import FtpnodeHealth, NodeState
from tests.kit.clients import plain_client
from tests.kit.running_cluster import RunningCluster, running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]

DAY_FILE = Path(__file__).parents[3] / "shared/data/rinex/AJAC00FRA_R_20242090000_01D_30S_MO.crx.gz"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("whole")) as cluster:
        yield cluster


def read_at(cluster: RunningCluster, node: str, path: str) -> bytes:
    """What a node itself serves, not through the VIP."""
    received = io.BytesIO()
    address = cluster.files.settings.nodes[node].address
    with plain_client(address, 2121, "station", cluster.files.passwords["station"]) as client:
        client.retrbinary(f"RETR {path}", received.write)
    return received.getvalue()


@pytest.mark.skipif(not DAY_FILE.exists(), reason="the real station files are not beside this checkout")
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_real_day_file_over_ftps_reads_back_from_either_node_with_all_its_epochs(
    cluster: RunningCluster, tmp_path: Path
) -> None:
    url = f"ftp://{cluster.vip}:2121/AJAC/2024/209/"
    user = f"station:{cluster.files.passwords['station']}"
    push = [
        "curl",
        "-sS",
        "--ssl-reqd",
        "--cacert",
        cluster.files.ca,
        "--ftp-create-dirs",
        "-u",
        user,
        "-T",
        DAY_FILE,
        url,
    ]
    done = subprocess.run(push, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for node in ("node1", "node2"):
        content = read_at(cluster, node, f"AJAC/2024/209/{DAY_FILE.name}")
        assert content == DAY_FILE.read_bytes()
    plain = tmp_path / "AJAC00FRA_R_20242090000_01D_30S_MO.rnx"
    plain.write_bytes(hatanaka.decompress(content))
    assert len(georinex.gettime(plain)) == 2880


def test_226_is_read_when_both_nodes_hold_the_file(cluster: RunningCluster) -> None:
    content = secrets.token_bytes(200_000)
    with cluster.login("station") as station:
        reply = station.storbinary("STOR both.bin", io.BytesIO(content))
    assert reply == "226 Transfer complete. (2 copies)"
    for node in ("node1", "node2"):
        assert (cluster.root(node) / "Station/both.bin").read_bytes() == content


def test_what_the_replicator_knows_of_a_file_is_told_through_the_vip_and_alike_by_both_nodes(
    cluster: RunningCluster,
) -> None:
    content = secrets.token_bytes(1000)
    with cluster.login("station") as station:
        station.storbinary("STOR facts.bin", io.BytesIO(content))
    fact = f"unique={content_id_of(content)};x.copies=2;"
    for address in (cluster.vip, *(node.address for node in cluster.files.settings.nodes.values())):
        with plain_client(address, 2121, "station", cluster.files.passwords["station"]) as client:
            assert client.sendcmd("OPTS MLST unique;x.copies;") == "200 MLST OPTS unique;x.copies;"
            until(lambda client=client: fact in client.sendcmd("MLST facts.bin"), f"{address} tells {fact}")
            assert dict(client.mlsd())["facts.bin"] == {"unique": content_id_of(content), "x.copies": "2"}


def test_whichever_node_dies_the_session_goes_on_and_the_node_catches_up(cluster: RunningCluster) -> None:
    for number, node in enumerate(("node1", "node2")):
        folder = f"run{number}"
        with cluster.login("station") as station:
            station.mkd(folder)
            station.cwd(folder)
            station.storbinary("STOR before.bin", io.BytesIO(b"before"))
            cluster.parts.kill((f"{node}.ftpnode", f"{node}.replicator"))
            assert station.storbinary("STOR during.bin", io.BytesIO(b"during")).startswith("226 Transfer complete.")
            assert station.pwd() == f"/{folder}"
            assert set(station.nlst()) == {"before.bin", "during.bin"}
            cluster.parts.restart((f"{node}.ftpnode", f"{node}.replicator"))
            cluster.wait_all_usable()
            late = cluster.root(node) / f"Station/{folder}/during.bin"
            until(late.exists, f"{node} catches up")
            assert station.storbinary("STOR after.bin", io.BytesIO(b"after")).startswith("226 Transfer complete.")


def test_a_drained_node_is_left_and_enabled_again(cluster: RunningCluster) -> None:
    token = cluster.files.management_token()
    with cluster.login("station") as station:
        for node in ("node1", "node2"):
            address = cluster.files.settings.nodes[node].management
            assert post_action(address, "drain", FtpnodeHealth, token=token).state is NodeState.DRAINING
            until(lambda: _usable(cluster) == {"node1", "node2"} - {node}, f"{node} is left")  # noqa: B023 - called at once
            assert station.storbinary(f"STOR {node}.bin", io.BytesIO(b"x")).startswith("226")
            assert post_action(address, "enable", FtpnodeHealth, token=token).state is NodeState.READY
            cluster.wait_all_usable()


def _usable(cluster: RunningCluster) -> set[str]:
    health = cluster.parts.balancer_health()
    return {node.node for node in health.nodes if node.usable} if health else set()


def test_a_directory_made_through_the_vip_is_on_both_nodes_at_once(cluster: RunningCluster) -> None:
    with cluster.login("lansurvey") as server:
        server.mkd("products")
        server.storbinary("STOR products/a.tmp", io.BytesIO(b"a product"))
        server.rename("products/a.tmp", "products/a")
        for node in ("node1", "node2"):
            assert (cluster.root(node) / "Data/products/a").read_bytes() == b"a product"
            assert not (cluster.root(node) / "Data/products/a.tmp").exists()
        server.delete("products/a")
        server.rmd("products")
    for node in ("node1", "node2"):
        assert not (cluster.root(node) / "Data/products").exists()
