"""An upload whose node dies in its middle goes on at another node: ftplib, curl, lftp. SFTP leaves as much, for FTP."""

import ftplib
import random
import shutil
import signal
import subprocess
from contextlib import ExitStack, contextmanager

import pytest

from tests.ftpnode.running import RunningNode
from tests.ftpnode.sftp.clients import SFTP_PORT, connected, new_key, openssh, raw, with_sftp
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
def running(folder, change=lambda cluster: cluster):
    cluster = change(write_cluster(folder / "cluster", nodes=2))
    with Replicators(cluster) as replicators, ExitStack() as stack:
        replicators.start().ready()
        nodes = {}
        for name in replicators.names:
            nodes[name] = RunningNode(cluster, name)
            stack.callback(nodes[name].stop, signal.SIGKILL)
        yield Cluster(replicators, nodes)


def go_on(client, path):
    """Send what SIZE does not tell of yet; the answer."""
    came_bytes = client.size(path)
    assert HALF - 5000 < came_bytes < HALF
    data = client.transfercmd(f"STOR {path}", rest=came_bytes)
    data.sendall(CONTENT[came_bytes:])
    data.close()
    return client.voidresp()


def test_ftplib_goes_on_at_another_node_where_size_tells(tmp_path):
    with running(tmp_path) as cluster:
        cluster.cut("x.rnx")
        with cluster.client("node2") as client:
            assert "x.rnx" not in client.nlst()
            assert [name for name, _ in client.mlsd()] == []
            assert go_on(client, "x.rnx").startswith("226")
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
                assert go_on(client, path).startswith("226 Transfer complete. (2 copies)")
        expected = {"Station": None, "Station/here.rnx": CONTENT, "Station/there.rnx": CONTENT}
        found = cluster.replicators.alike("both are whole")
        assert {path: content for path, content in found.items() if path.startswith("Station")} == expected
        for name in cluster.replicators.names:
            staging = cluster.replicators.root(name) / ".tripod/staging"
            until(lambda staging=staging: list(staging.iterdir()) == [], f"nothing is kept on {name}")


def sent_by_sftp(cluster, path, pieces, until_came):
    """What an SFTP client writes to node1 before it is lost, and then is known to be lost."""
    with raw(cluster.nodes["node1"]) as client:
        handle = client.open(path.encode())
        for offset, data in pieces:
            client.write(1, handle, offset, data)
            assert client.status()[0] == 0
        until(lambda: cluster.came("node2") == until_came, "the bytes are on the peer, as far as they go there")
    until(lambda: cluster.came("node2") == 0, "the peer knows that it was cut")
    until(lambda: not list(staging(cluster, "node1").glob("up-*")), "its node knows it")


def staging(cluster, name):
    return cluster.replicators.root(name) / ".tripod/staging"


def in_pieces(content):
    return [(at, content[at : at + 30_000]) for at in range(0, len(content), 30_000)]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return new_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def sftp_cluster(tmp_path_factory, key):
    folder = tmp_path_factory.mktemp("sftp")
    with running(folder, lambda cluster: with_sftp(cluster, key[1])) as cluster:
        yield cluster


@pytest.mark.parametrize("name", ["node1", "node2"])
def test_what_an_sftp_client_left_is_hidden_from_sftp_and_goes_on_over_ftp_at_either_node(sftp_cluster, name):
    path = f"left-for-{name}.rnx"
    sent_by_sftp(sftp_cluster, path, in_pieces(CONTENT[:HALF]), HALF)
    for node in sftp_cluster.nodes.values():
        with connected(node) as client:
            assert path not in client.listdir("/")
            for mode in ("r", "r+"):
                with pytest.raises(FileNotFoundError):
                    client.open(path, mode)
            with pytest.raises(FileNotFoundError):
                client.stat(path)
    with sftp_cluster.client(name) as client:
        assert go_on(client, path).startswith("226 Transfer complete. (2 copies)")
    assert sftp_cluster.replicators.alike("both have it")[f"Station/{path}"] == CONTENT


@pytest.mark.parametrize("program", ["sftp", "lftp"])
def test_over_sftp_a_program_begins_anew_at_either_node_and_nothing_is_left(sftp_cluster, key, tmp_path, program):
    assert shutil.which(program), "listed in tests/needs"
    (tmp_path / "local").write_bytes(CONTENT)
    for name, node in sftp_cluster.nodes.items():
        path = f"{program}-{name}.rnx"
        sent_by_sftp(sftp_cluster, path, in_pieces(CONTENT[:HALF]), HALF)
        if program == "sftp":
            openssh(node, key[0], tmp_path, f"reput {tmp_path}/local {path}", fails=True)
            openssh(node, key[0], tmp_path, f"put {tmp_path}/local {path}")
        else:
            ssh = f"ssh -a -x -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i {key[0]}"
            script = (
                f"set sftp:connect-program '{ssh}'; set cmd:fail-exit yes; set net:max-retries 2; "
                f"open -u station,x sftp://{node.host}:{SFTP_PORT}; put -c {tmp_path}/local -o {path}"
            )
            subprocess.run(["lftp", "-c", script], check=True, capture_output=True, timeout=90)
        assert sftp_cluster.replicators.alike("both have it")[f"Station/{path}"] == CONTENT
    for name in sftp_cluster.nodes:
        until(lambda name=name: list(staging(sftp_cluster, name).iterdir()) == [], f"nothing is kept on {name}")


def test_what_an_sftp_client_wrote_out_of_order_is_kept_nowhere(sftp_cluster):
    holed = [*in_pieces(CONTENT[:HALF]), (HALF + 1_000_000, CONTENT[HALF + 1_000_000 :][:30_000])]
    sent_by_sftp(sftp_cluster, "holed.rnx", holed, 0)
    for name in sftp_cluster.nodes:
        with sftp_cluster.client(name) as client, pytest.raises(ftplib.error_perm, match="550"):
            client.size("holed.rnx")
    whole = [*in_pieces(CONTENT[HALF:]), *in_pieces(CONTENT[:HALF])]
    with raw(sftp_cluster.nodes["node1"]) as client:
        handle = client.open(b"holed.rnx")
        for number, (offset, data) in enumerate(whole):
            client.write(number, handle, offset + (HALF if number < len(whole) // 2 else 0), data)
            assert client.status()[0] == 0
        assert client.close(handle) == (0, "Transfer complete. (2 copies)")
    assert sftp_cluster.replicators.alike("both have it")["Station/holed.rnx"] == CONTENT
