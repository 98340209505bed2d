"""SIGKILL for the balancer in the middle of plain uploads: the kernel ends its connections, and no node is taken in."""

import ftplib

import pytest

from tests.kit.running_cluster import running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]

HALF = bytes(range(256)) * 2000


def ended_here(document):
    document["balancer"]["node_tls"] = "off"


def passed_through(document):
    document["balancer"]["services"]["ingest"]["tls"] = "pass-through"
    for number, node in enumerate(document["nodes"].values()):
        node["passive_ports"] = {"first": 30000 + number * 20, "last": 30019 + number * 20}


@pytest.mark.parametrize("change", [ended_here, passed_through])
def test_half_an_upload_is_never_taken_for_all_of_it(tmp_path, change):
    with running_cluster(tmp_path, change=change) as cluster, cluster.login("station") as station:
        data = station.transfercmd("STOR half.rnx")
        data.sendall(HALF)
        nodes = cluster.files.settings.nodes.values()
        staging = [node.root / ".tripod/staging" for node in nodes]
        until(
            lambda: any(one.stat().st_size == len(HALF) for folder in staging for one in folder.glob("up-*")),
            "a node has got all that was sent",
        )
        cluster.parts.kill(("balancer",))
        with pytest.raises((EOFError, OSError, ftplib.Error)):
            station.voidresp()
        data.close()
        logs = tmp_path / "logs"
        until(
            lambda: any("half.rnx" in (logs / f"{node}.ftpnode.log").read_text() for node in cluster.trees()),
            "a node has judged it",
        )
        assert not any((node.root / "Station/half.rnx").exists() for node in nodes)
