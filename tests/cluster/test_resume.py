"""An upload whose node dies in its middle goes on at another node: ftplib, curl, lftp."""

import ftplib
import random
import shutil
import signal
import subprocess
from contextlib import ExitStack, contextmanager

import pytest

from tests.ftpnode.running import RunningNode
from tests.kit.cluster_folder import write_cluster
from tests.kit.publish_client import tree
from tests.kit.replicators import Replicators
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

CONTENT = random.Random(4).randbytes(3_000_000)
HALF = 1_500_000


class Cluster:
    """Two nodes, and what their clients ask."""

    def __init__(self, replicators, nodes):
        self.replicators, self.nodes = replicators, nodes

    def client(self, name):
        node = self.nodes[name]
        client = ftplib.FTP(timeout=20)
        client.connect(node.host, node.port())
        client.login("station", node.cluster.passwords["station"])
        return client

    def url(self, name, path):
        node = self.nodes[name]
        return f"ftp://station:{node.cluster.passwords['station']}@{node.host}:{node.port()}/{path}"

    def kill(self, name):
        self.replicators.kill(name)
        self.nodes[name].stop(signal.SIGKILL)

    def cut(self, path):
        """Half an upload to node1, which is killed when the peer has its bytes."""
        with self.client("node1") as client:
            data = client.transfercmd(f"STOR {path}")
            data.sendall(CONTENT[:HALF])
            until(lambda: self.came("node2") == HALF, "the bytes are on the peer")
            self.kill("node1")
            data.close()
        assert f"Station/{path}" not in tree(self.replicators.root("node2"))

    def came(self, name):
        staging = self.replicators.root(name) / ".tripod/staging"
        return sum(file.stat().st_size for file in staging.iterdir() if file.name.startswith("grow-"))


@contextmanager
def running(folder):
    cluster = write_cluster(folder / "cluster", nodes=2)
    with Replicators(cluster) as replicators, ExitStack() as stack:
        replicators.start().ready()
        nodes = {}
        for name in replicators.names:
            nodes[name] = RunningNode(cluster, name)
            stack.callback(nodes[name].stop, signal.SIGKILL)
        yield Cluster(replicators, nodes)


def test_ftplib_goes_on_at_another_node_where_size_tells(tmp_path):
    with running(tmp_path) as cluster:
        cluster.cut("x.rnx")
        with cluster.client("node2") as client:
            assert "x.rnx" not in client.nlst()
            assert [name for name, _ in client.mlsd()] == []
            came_bytes = client.size("x.rnx")
            assert HALF - 5000 < came_bytes < HALF
            data = client.transfercmd("STOR x.rnx", rest=came_bytes)
            data.sendall(CONTENT[came_bytes:])
            data.close()
            assert client.voidresp().startswith("226")
            assert client.size("x.rnx") == len(CONTENT)
        assert (cluster.replicators.root("node2") / "Station/x.rnx").read_bytes() == CONTENT


@pytest.mark.parametrize("program", ["curl", "lftp"])
def test_a_program_goes_on_at_another_node(tmp_path, program):
    assert shutil.which(program), "listed in tests/needs"
    (tmp_path / "x.rnx").write_bytes(CONTENT)
    with running(tmp_path) as cluster:
        cluster.cut("x.rnx")
        if program == "curl":
            command = ["curl", "-sSv", "-C", "-", "-T", tmp_path / "x.rnx", cluster.url("node2", "x.rnx")]
        else:
            script = f"set ssl:verify-certificate no; open {cluster.url('node2', '')}; put -c {tmp_path}/x.rnx -o x.rnx"
            command = ["lftp", "-d", "-c", script]
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stderr
        assert ("APPE x.rnx" if program == "curl" else "REST 1") in said
        assert (cluster.replicators.root("node2") / "Station/x.rnx").read_bytes() == CONTENT


def test_a_client_that_was_lost_goes_on_at_either_node(tmp_path):
    with running(tmp_path) as cluster:
        for path, name in (("here.rnx", "node1"), ("there.rnx", "node2")):
            with cluster.client("node1") as client:
                data = client.transfercmd(f"STOR {path}")
                data.sendall(CONTENT[:HALF])
                until(lambda: cluster.came("node2") == HALF, "the bytes are on the peer")
                client.close()
            data.close()
            until(lambda: cluster.came("node2") == 0, "the peer knows that it was cut")
            with cluster.client(name) as client:
                came_bytes = client.size(path)
                assert HALF - 5000 < came_bytes < HALF
                data = client.transfercmd(f"STOR {path}", rest=came_bytes)
                data.sendall(CONTENT[came_bytes:])
                data.close()
                assert client.voidresp().startswith("226 Transfer complete. (2 copies)")
        expected = {"Station": None, "Station/here.rnx": CONTENT, "Station/there.rnx": CONTENT}
        found = cluster.replicators.alike("both are whole")
        assert {path: content for path, content in found.items() if path.startswith("Station")} == expected
        for name in cluster.replicators.names:
            staging = cluster.replicators.root(name) / ".tripod/staging"
            until(lambda staging=staging: list(staging.iterdir()) == [], f"nothing is kept on {name}")
