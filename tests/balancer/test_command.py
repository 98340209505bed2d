"""The command `balancer` as a process: it starts, says how it is, stops; each mistake is one clear line."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.ask import RefusedError, post_action
from cluster.health import BalancerHealth
from cluster.live import Upgraded
from compose.status import health
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import PATIENCE_S, until

COMMAND = Path(sys.executable).with_name("balancer")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    return write_cluster(tmp_path_factory.mktemp("command") / "c", nodes=1, replication="none")


def balancer(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False)


def is_one_line(done, *words: str) -> None:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("balancer: ")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]


@pytest.mark.slow
def test_it_runs_and_stops_at_a_signal(cluster) -> None:
    with subprocess.Popen([COMMAND, "run", "--config", cluster.file], stderr=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: balancer("status", "--config", cluster.file).returncode == 0, "the balancer answers")
            document = json.loads(balancer("status", "--config", cluster.file, "--json").stdout)
            assert [node["node"] for node in document["nodes"]] == ["node1"]
            assert "node1\tfailed" in balancer("status", "--config", cluster.file).stdout
            process.send_signal(signal.SIGHUP)
            taken = balancer("run", "--config", cluster.file)
            is_one_line(taken, "port 8021", "in use")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 0
        assert process.stderr is not None
        said = process.stderr.read()
        assert "Traceback" not in said
        assert "reloaded" in said


def answers(cluster) -> bool:
    return health(cluster.settings.balancer.management, BalancerHealth) is not None


@contextmanager
def running(cluster) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([COMMAND, "run", "--config", cluster.file], stderr=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: answers(cluster), "the balancer answers")
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.mark.slow
def test_an_upgrade_starts_another_process_that_serves_in_its_place_until_a_signal(cluster) -> None:
    address, token = cluster.settings.balancer.management, cluster.management_token()
    with running(cluster) as old:
        new = post_action(address, "upgrade", Upgraded, token=token, timeout_s=60)
        assert new.process != old.pid
        assert old.wait(timeout=PATIENCE_S) == 0  # it had no sessions
        assert answers(cluster)
        os.kill(new.process, signal.SIGTERM)
        until(lambda: not answers(cluster), "it has ended")
        assert old.stderr is not None
        assert "Traceback" not in old.stderr.read()


@pytest.mark.slow
def test_an_upgrade_that_cannot_start_is_said_and_changes_nothing(cluster) -> None:
    address, token = cluster.settings.balancer.management, cluster.management_token()
    text = cluster.file.read_text()
    with running(cluster) as old:
        cluster.file.write_text(text.replace("services:", "servces:"))
        try:
            with pytest.raises(RefusedError, match="ended with status 1; the balancer's log says why"):
                post_action(address, "upgrade", Upgraded, token=token, timeout_s=60)
        finally:
            cluster.file.write_text(text)
        assert old.poll() is None
        assert answers(cluster)


@pytest.mark.slow
def test_systemd_is_told_which_process_serves(cluster, tmp_path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(20)
        environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen([COMMAND, "run", "--config", cluster.file], env=environment) as process:
            assert supervisor.recv(1000) == f"READY=1\nMAINPID={process.pid}".encode()
            process.send_signal(signal.SIGTERM)


@pytest.mark.slow
def test_a_busy_port_is_said_in_one_line(cluster) -> None:
    with socket.create_server((cluster.settings.balancer.vip, 2121)):
        is_one_line(balancer("run", "--config", cluster.file), "service ingest, port 2121", "in use")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["key", "certificate"])
def test_a_missing_key_is_said_in_one_line(cluster, name) -> None:
    file = getattr(cluster.settings.balancer, name)
    content = file.read_bytes()
    file.unlink()
    try:
        is_one_line(balancer("run", "--config", cluster.file), f"balancer.{name}", "is not there")
    finally:
        file.write_bytes(content)


@pytest.mark.slow
def test_a_key_of_another_certificate_is_said_in_one_line(cluster) -> None:
    key = cluster.settings.balancer.key
    content = key.read_bytes()
    key.write_bytes(cluster.settings.nodes["node1"].key.read_bytes())
    try:
        is_one_line(balancer("run", "--config", cluster.file), "not a usable pair")
    finally:
        key.write_bytes(content)


@pytest.mark.slow
def test_a_bad_config_is_said_in_one_line(tmp_path) -> None:
    is_one_line(balancer("run", "--config", tmp_path / "none.yaml"), "none.yaml", "cannot be read")


@pytest.mark.slow
def test_no_balancer_is_said_in_one_line(cluster) -> None:
    is_one_line(balancer("status", "--config", cluster.file), "does not answer")
