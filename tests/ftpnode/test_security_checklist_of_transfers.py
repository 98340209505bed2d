"""The security checklist of ftpnode, statements 18 to 22: cuts, disks, pace, PROXY headers, ports."""

import contextlib
import os
import signal
import socket
import subprocess

import pytest

from tests.ftpnode.raw_client import reset
from tests.ftpnode.running import running
from tests.kit.balancer_header import balancer_header
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until

OLD = b"the old content"


def _cut_by_reset(_client, data, _node):
    reset(data)


def _cut_without_close_notify(_client, data, _node):
    data.shutdown(socket.SHUT_WR)  # of the socket below TLS


def _cut_by_timeout(_client, data, node):
    until(lambda: not node.staged(), "the stalled upload is over")
    data.close()


def _cut_by_abor(client, data, _node):
    client.send(b"ABOR\r\n")
    data.close()


@pytest.mark.parametrize("cut", [_cut_by_reset, _cut_without_close_notify, _cut_by_timeout, _cut_by_abor])
def test_a_cut_upload_leaves_the_old_file_and_no_partial_and_is_never_a_226(alone, cut):
    """18. Four of the six ways; the other two need a node of their own."""
    context = alone.tls_context()
    with alone.client() as client:
        assert client.store("cut.rnx", OLD).startswith("226")
    with alone.connect() as client:
        client.start_tls(context).login("station", alone.cluster.passwords["station"])
        tls = cut is _cut_without_close_notify
        assert [client.ask("PBSZ 0")[:3], client.ask(f"PROT {'P' if tls else 'C'}")[:3]] == ["200", "200"]
        with client.data(context if tls else None) as data:
            assert client.ask("STOR cut.rnx").startswith("125")
            data.sendall(b"half of it")
            until(alone.staged, "bytes arrive in staging")
            cut(client, data, alone)
            assert client.reply().startswith("426")
    until(lambda: not alone.staged(), "staging is empty")
    assert (alone.root / "Station/cut.rnx").read_bytes() == OLD


@pytest.mark.slow
def test_a_killed_node_leaves_the_old_file_and_no_partial(tmp_path):
    """18, kill -9."""
    cluster = write_cluster(tmp_path, nodes=1, replication="none")
    with running(cluster) as node:
        with node.client() as client:
            assert client.store("cut.rnx", OLD).startswith("226")
            with client.data() as data:
                assert client.ask("STOR cut.rnx").startswith("125")
                data.sendall(b"half of it")
                until(node.staged, "bytes arrive in staging")
                node.stop(signal.SIGKILL)
                assert client.reply() == ""
        node.start()
        assert node.staged() == []
        assert [path.name for path in (node.root / "Station").iterdir()] == ["cut.rnx"]
        assert (node.root / "Station/cut.rnx").read_bytes() == OLD


@pytest.fixture
def small_disk(tmp_path):
    """A node whose root is a file system of two mebibytes."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system")
    cluster = write_cluster(tmp_path, nodes=1, replication="none", replication_settings={"disk_reserve_bytes": 0})
    root = cluster.settings.nodes["node1"].root
    root.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", root], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system to fill: {mounted.stderr.decode().strip()}")
    try:
        with running(cluster) as node:
            yield node
    finally:
        subprocess.run(["umount", root], check=True)


@pytest.mark.slow
def test_a_full_disk_gives_452_and_a_usable_session(small_disk):
    """19, and the last of the six ways of 18."""
    with small_disk.client() as client:
        assert client.store("kept.rnx", OLD).startswith("226")
        for _ in range(2):
            with client.data() as data:
                assert client.ask("STOR kept.rnx").startswith("125")
                with contextlib.suppress(ConnectionError):
                    data.sendall(b"x" * 4_000_000)
                assert client.reply().startswith("452")
            until(lambda: not small_disk.staged(), "staging is empty")
            assert (small_disk.root / "Station/kept.rnx").read_bytes() == OLD
            assert client.fetch("kept.rnx")[0] == OLD
        assert client.store("small.rnx", b"fits").startswith("226")


def test_minimum_rate_and_stall_limits_end_trickle_transfers(guarded):
    """20, in both directions."""
    with guarded.client() as client:
        with client.data() as data:
            assert client.ask("STOR trickle.rnx").startswith("125")
            data.sendall(b"x" * 100)
            assert client.reply() == "426 Data came too slowly; nothing was stored."
        with client.data():
            assert client.ask("STOR stalled.rnx").startswith("125")
            assert client.reply() == "426 Data connection stalled; nothing was stored."
        content = bytes(20_000_000)
        assert client.store("untaken.rnx", content).startswith("226")
        with client.data() as data:
            assert client.ask("RETR untaken.rnx").startswith("125")
            data.recv(1000)
            assert client.reply().startswith("426")
        assert client.fetch("untaken.rnx") == (content, "226 Transfer complete.")
        assert not (guarded.root / "Station/trickle.rnx").exists()


def test_proxy_headers_are_honoured_only_from_listed_peers(alone):
    """21, trust: from anybody else a header is a command that does not exist."""
    with alone.connect(source="127.0.0.88") as client:
        client.send(balancer_header(alone.cluster, "198.51.100.7") + b"\r\n")
        assert client.reply().startswith("500")
    with alone.client(source="127.0.0.88") as client:
        assert client.ask("NOOP").startswith("200")
    assert alone.events("login")[-1]["client"] == "127.0.0.88"
    vip = alone.cluster.settings.balancer.source_addresses[0]
    with alone.connect(source=vip, before=b"USER station\r\nPASS x\r\n", greeting=False) as client:
        assert client.reply() == ""


def test_limits_use_the_real_client_address_and_are_released_on_close(alone):
    """21, limits."""
    vip = alone.cluster.settings.balancer.source_addresses[0]
    most = alone.cluster.settings.limits.sessions_per_address
    until(lambda: alone.health()["sessions"] == 0, "no sessions")
    for _ in range(2):
        clients = [
            alone.connect(source=vip, before=balancer_header(alone.cluster, "198.51.100.7")) for _ in range(most)
        ]
        with alone.connect(source=vip, before=balancer_header(alone.cluster, "198.51.100.7")) as one_more:
            assert one_more.greeting.startswith("421")
        with alone.connect(source=vip, before=balancer_header(alone.cluster, "198.51.100.8")) as other:
            assert other.greeting.startswith("220")
        for client in clients:
            client.close()
        until(lambda: alone.health()["sessions"] == 0, "sessions are released")


def test_an_exhausted_passive_range_gives_425_and_never_a_port_outside_it(guarded):
    """22."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(guarded.client()) for _ in range(5)]
        assert {client.passive_port() for client in clients[:4]} == {30000, 30001, 30002, 30003}
        assert clients[4].ask("EPSV").startswith("425")
        assert clients[4].ask("PASV").startswith("425")
        assert clients[0].ask("ABOR").startswith("226")
        assert 30000 <= clients[4].passive_port() <= 30003
