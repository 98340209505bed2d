"""What a newcomer gets wrong: each mistake is answered by one clear line, never by a traceback."""

import contextlib
import io
import os
import socket
import subprocess
import sys
from ftplib import FTP, error_perm, error_temp
from pathlib import Path

import pytest

from tests.kit.cluster_folder import LabCluster, write_cluster
from tests.kit.running_cluster import RunningCluster, running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PROGRAMS = {
    "ftpnode": ["ftpnode", "--node", "node1"],
    "replicator": ["replicator", "run", "--node", "node1"],
    "balancer": ["balancer", "run"],
}


def start(program: str, file: Path, *, node: str = "node1") -> tuple[int, str]:
    """Run a program that must not start; its exit status and what it wrote."""
    arguments = [node if argument == "node1" else argument for argument in PROGRAMS[program]]
    done = subprocess.run(
        [sys.executable, "-m", *arguments, "--config", file], capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, (done.stdout + done.stderr).strip()


@pytest.fixture
def files(tmp_path: Path) -> LabCluster:
    return write_cluster(tmp_path / "cluster")


def one_line(output: str) -> str:
    assert "Traceback" not in output
    lines = [line for line in output.splitlines() if line.strip()]
    assert len(lines) == 1, output
    return lines[0]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_typo_in_the_file_is_one_line_with_its_place(program: str, files: LabCluster) -> None:
    files.file.write_text(files.file.read_text().replace("tls: required", "tls: requird"))
    status, output = start(program, files.file)
    assert status == 1
    assert "accounts.servicedesk.tls" in one_line(output)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_missing_file_is_one_line(program: str, tmp_path: Path) -> None:
    status, output = start(program, tmp_path / "nowhere.yaml")
    assert status == 1
    assert "nowhere.yaml" in one_line(output)


@pytest.mark.parametrize(("program", "key"), [("ftpnode", "node1"), ("replicator", "node1"), ("balancer", "balancer")])
def test_a_missing_key_is_one_line(program: str, key: str, files: LabCluster) -> None:
    (files.folder / f"keys/{key}.key").unlink()
    status, output = start(program, files.file)
    assert status == 1
    assert f"{key}.key" in one_line(output)


@pytest.mark.parametrize(
    ("program", "port"),
    [
        ("ftpnode", 2121),
        ("ftpnode", 8021),
        ("replicator", 8023),
        ("replicator", 8022),
        ("balancer", 2121),
        ("balancer", 8021),
    ],
)
def test_a_busy_port_is_one_line_that_names_it(program: str, port: int, files: LabCluster) -> None:
    settings = files.settings
    address = settings.balancer.vip if program == "balancer" else settings.nodes["node1"].address
    with socket.create_server((address, port)):
        status, output = start(program, files.file)
    assert status == 1
    assert "Traceback" not in output
    last = output.splitlines()[-1]
    assert address in last
    assert str(port) in last


@pytest.mark.parametrize("program", ["ftpnode", "replicator"])
def test_an_unknown_node_is_one_line_that_names_the_known(program: str, files: LabCluster) -> None:
    status, output = start(program, files.file, node="node9")
    assert status == 1
    line = one_line(output)
    assert "node9" in line
    assert "node1, node2" in line


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("users"), replication_settings={"disk_reserve_bytes": 0}) as cluster:
        yield cluster


@pytest.mark.parametrize(("account", "password"), [("station", "wrong"), ("nobody", "x"), ("anonymous", "a@b")])
def test_a_wrong_password_and_an_unknown_account_get_the_same_line(
    cluster: RunningCluster, account: str, password: str
) -> None:
    with pytest.raises(error_perm, match=r"\A530 [A-Z][^\n]+\Z"):
        cluster.login(account, password)


def test_a_write_as_anonymous_is_refused_in_one_line(cluster: RunningCluster) -> None:
    with cluster.anonymous() as customer:
        with pytest.raises(error_perm, match=r"\A550 [^\n]+\Z"):
            customer.storbinary("STOR mine", io.BytesIO(b"x"))
        assert customer.pwd() == "/"


def test_the_service_desk_without_tls_is_told_to_use_it(cluster: RunningCluster) -> None:
    with pytest.raises(error_perm, match=r"\A530 [^\n]*TLS[^\n]*\Z"):
        cluster.login("servicedesk")


def push_and_read_the_reply(client: FTP, command: str, content: bytes) -> None:
    """As storbinary, but a data connection that the server ends early is no error: the reply says why."""
    data = client.transfercmd(command)
    with data, contextlib.suppress(ConnectionError):
        data.sendall(content)
    client.voidresp()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_line_and_the_session_goes_on(tmp_path_factory) -> None:
    spool, folder = tmp_path_factory.mktemp("spool"), tmp_path_factory.mktemp("small")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    try:
        no_reserve = {"disk_reserve_bytes": 0}
        small = running_cluster(folder, 1, replication_settings=no_reserve, spool=str(spool))
        with small as cluster, cluster.login("station") as station:
            with pytest.raises(error_temp, match=r"\A452 [^\n]+\Z"):
                push_and_read_the_reply(station, "STOR big", bytes(12 << 20))
            assert station.storbinary("STOR small", io.BytesIO(b"x")).startswith("226")
            assert "big" not in station.nlst()
    finally:
        subprocess.run(["umount", folder], check=True)
