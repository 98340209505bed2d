"""The command `ftpnode`: how it starts, fails to start, and stops; what it says of itself."""

import signal
import socket
import subprocess
import sys

import pytest

from cluster.content_id import content_id_of
from tests.ftpnode.running import RunningNode, running
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until


def start(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "ftpnode", *arguments], capture_output=True, text=True, timeout=20, check=False
    )


def only_line(result):
    """The one line that a failed start prints."""
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.splitlines()
    return line


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    return write_cluster(tmp_path_factory.mktemp("command"), nodes=1, replication="none")


def test_a_busy_port_is_one_clear_line(cluster):
    address = cluster.settings.nodes["node1"].address
    with socket.create_server((address, cluster.settings.sites["public"].port)):
        line = only_line(start("--config", str(cluster.file), "--node", "node1"))
    assert "sites.public.port" in line
    assert f"{address} port {cluster.settings.sites['public'].port}" in line
    assert "in use" in line


def test_a_busy_management_port_is_one_clear_line(cluster):
    node = cluster.settings.nodes["node1"]
    with socket.create_server((node.address, node.management_port)):
        assert "management_port" in only_line(start("--config", str(cluster.file), "--node", "node1"))


def test_a_missing_key_is_one_clear_line(cluster):
    key = cluster.settings.nodes["node1"].key
    hidden = key.rename(key.with_suffix(".hidden"))
    line = only_line(start("--config", str(cluster.file), "--node", "node1"))
    hidden.rename(key)
    assert str(key) in line


def test_a_key_of_another_certificate_is_one_clear_line(cluster):
    node = cluster.settings.nodes["node1"]
    right = node.key.read_bytes()
    node.key.write_bytes(cluster.settings.balancer.key.read_bytes())
    line = only_line(start("--config", str(cluster.file), "--node", "node1"))
    node.key.write_bytes(right)
    assert "not a usable pair" in line


def test_an_unknown_node_and_a_missing_file_are_one_clear_line_each(cluster, tmp_path):
    assert "there is no node 'node9'" in only_line(start("--config", str(cluster.file), "--node", "node9"))
    assert "cannot be read" in only_line(start("--config", str(tmp_path / "none.yaml"), "--node", "node1"))


def test_a_typo_in_the_settings_is_one_clear_line(cluster):
    typo = cluster.folder / "typo.yaml"
    typo.write_text(cluster.file.read_text().replace("limits:", "limitz:"))
    line = only_line(start("--config", str(typo), "--node", "node1"))
    assert "limitz" in line
    assert "limits" in line


@pytest.mark.slow
def test_a_root_that_cannot_be_used_is_one_clear_line(cluster):
    file = cluster.folder / "a-file"
    file.write_bytes(b"")
    wrong = cluster.folder / "wrong-root.yaml"
    text = cluster.file.read_text()
    root = str(cluster.settings.nodes["node1"].root.relative_to(cluster.folder))
    assert f"root: {root}" in text
    wrong.write_text(text.replace(f"root: {root}", "root: a-file/root"))
    assert "cannot be used" in only_line(start("--config", str(wrong), "--node", "node1"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_with_sessions_open(cluster, how):
    with running(cluster) as node, node.client() as client, client.data() as data:
        client.ask("STOR under-way.rnx")
        data.sendall(b"half")
        assert node.stop(how) == 0
    assert [event["node"] for event in node.events("stopped")][-1] == "node1"
    assert not (node.root / "Station/under-way.rnx").exists()


def test_it_serves_its_health_and_its_metrics(alone):
    with alone.client() as client:
        client.store("counted.rnx", b"12345")
        health = alone.health()
        metrics = alone.metrics()
    assert health["node"] == "node1"
    assert health["sessions"] == 1
    assert health["disk_free_bytes"] > 0
    assert 'ftpnode_uploads_total{outcome="published"}' in metrics
    assert "ftpnode_sessions 1.0" in metrics
    assert "ftpnode_publish_seconds_bucket" in metrics


def test_the_log_tells_who_uploaded_what(alone):
    with alone.client() as client:
        client.store("logged.rnx", b"12345")

    def logged():
        return [event for event in alone.events("upload") if event["path"] == "Station/logged.rnx"]

    (event,) = until(logged, "the log line")
    assert event["account"] == "station"
    assert event["client"] == "127.0.0.1"
    assert event["bytes"] == 5
    assert event["content_id"] == content_id_of(b"12345")
    assert event["reply"].startswith("226")
    assert event["outcome"] == "published"


def test_passwords_are_never_logged(alone):
    with alone.client():
        pass
    assert alone.cluster.passwords["station"] not in alone.log_file.read_text()


@pytest.mark.slow
def test_two_nodes_run_side_by_side(tmp_path):
    cluster = write_cluster(tmp_path, nodes=2, replication="none")
    with running(cluster) as one, running(cluster, name="node2") as two:
        assert isinstance(one, RunningNode)
        with one.client() as client:
            client.store("x", b"1")
        with two.client() as client:
            assert client.ask("SIZE x").startswith("550")
