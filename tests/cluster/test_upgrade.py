"""A rolling upgrade of real processes while simulated stations push: all nodes and the balancer, and nobody notices."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from cluster.health import FtpnodeHealth
from compose.lab.report import Report
from compose.status import health
from tests.kit.cluster_folder import free_network
from tests.kit.running_cluster import running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(300)]

TRIPOD = [sys.executable, "-m", "compose"]


def test_stations_push_while_every_program_is_replaced_and_see_nothing_of_it(tmp_path: Path) -> None:
    file, kept = tmp_path / "report.json", tmp_path / "kept"
    options = ["--stations", "12", "--seconds", "20", "--hour-seconds", "4", "--upgrade", "--network", free_network()]
    done = subprocess.run(
        [*TRIPOD, "lab", *options, "--report", str(file), "--keep", str(kept)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = msgspec.convert(json.loads(file.read_text()), Report)
    assert report.upgraded == ("node1", "node2", "balancer")
    assert report.uploads.client_errors == report.downloads.client_errors == 0
    assert report.uploads.acknowledged > 20
    assert report.uploads.lost == report.downloads.corrupt == 0
    assert report.nodes_identical
    assert (kept / "logs/balancer.log").read_text().count("another balancer has taken over") == 1
    for log in (kept / "logs").iterdir():
        assert "Traceback" not in log.read_text(), log.name


def test_the_command_empties_a_node_restarts_it_by_the_operators_command_and_replaces_the_balancer(
    tmp_path: Path,
) -> None:
    wish = tmp_path / "restart"  # what stands for a host's service manager: the test itself

    def with_command(document) -> None:
        command = f"sh -c 'echo {{node}} at {{address}} > {wish}; while test -e {wish}; do sleep 0.1; done'"
        document["upgrade"] = {"node_command": command, "drain_s": 20, "ready_s": 60}
        document["balancer"]["workers"] = 2

    with running_cluster(tmp_path, change=with_command) as cluster:
        config = ["--config", str(cluster.files.file)]
        balancer = cluster.parts.balancer_health()
        assert balancer is not None
        ended = threading.Event()

        def restart_on_wish() -> None:
            while not ended.wait(0.1):
                if wish.exists() and wish.read_text():
                    (node, _, address) = wish.read_text().split()
                    assert address == cluster.files.settings.nodes[node].address
                    cluster.parts.end_and_start((f"{node}.ftpnode", f"{node}.replicator"))
                    wish.unlink()

        manager = threading.Thread(target=restart_on_wish)
        manager.start()
        try:
            with cluster.login("station") as station:
                done = subprocess.run(
                    [*TRIPOD, "upgrade", *config, "--only", "node2", "--only", "balancer"],
                    capture_output=True,
                    text=True,
                    timeout=200,
                    check=False,
                )
                assert done.returncode == 0, done.stdout + done.stderr
                assert station.pwd() == "/"
        finally:
            ended.set()
            manager.join()
        assert done.stdout.splitlines() == [
            "node2: drained",
            "node2: restarted",
            "node2: upgraded",
            "balancer: a new one takes over",
            "balancer: upgraded",
        ]
        new = cluster.parts.balancer_health()
        assert new is not None
        assert new.process != balancer.process
        emptied = subprocess.run(
            [*TRIPOD, "drain", "node1", *config, "--deadline", "5", "--wait"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert emptied.stdout.endswith("node1 is empty\n"), emptied.stderr
        left_s = until(lambda: health(cluster.files.settings.nodes["node1"].management, FtpnodeHealth), "it answers")
        assert left_s.drain_left_s is not None
        os.kill(new.process, signal.SIGTERM)  # nobody else knows of it
