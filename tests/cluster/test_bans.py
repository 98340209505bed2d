"""Bans and live sessions through the balancer: the client's own address counts, and nobody else suffers."""

import contextlib
import socket
from ftplib import error_perm, error_temp

import pytest
from click.testing import CliRunner

from compose.command import main
from tests.kit.running_cluster import running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(120)]


def guess(cluster, source):
    """The replies to one session's three wrong passwords from `source`, until the session ends."""
    lines = []
    with (
        socket.create_connection((cluster.vip, 2121), timeout=10, source_address=(source, 0)) as raw,
        raw.makefile("rb") as file,
        contextlib.suppress(ConnectionError),
    ):
        lines.append(file.readline())
        while lines[-1] and len(lines) < 7:
            raw.sendall(b"USER station\r\n" if len(lines) % 2 else b"PASS wrong\r\n")
            lines.append(file.readline())
    return [line[:3] for line in lines if line and line[:3] not in {b"220", b"331"}]


def test_a_guesser_behind_the_balancer_is_banned_and_its_neighbours_log_in(tmp_path):
    with running_cluster(tmp_path, limits={"ban_failures": 4}) as cluster:
        guesser = cluster.vip.rpartition(".")[0] + ".77"
        refused = [reply for _ in range(6) for reply in guess(cluster, guesser)]
        assert refused.count(b"530") <= 8, "four on each of two nodes"
        assert refused[-1] == b"421"
        listed = CliRunner().invoke(main, ["bans", "--config", str(cluster.files.file)]).stdout
        assert guesser in listed
        with cluster.login("station") as neighbour:
            assert neighbour.pwd() == "/"
            seen = CliRunner().invoke(main, ["sessions", "--config", str(cluster.files.file)]).stdout
            assert "\tstation\t127." in seen
        cluster.wait_all_usable()
        lifted = CliRunner().invoke(main, ["lift", guesser, "--config", str(cluster.files.file)])
        assert lifted.exit_code == 0
        until(lambda: guess(cluster, guesser)[:1] == [b"530"], "the balancer knows of it")
        with pytest.raises((error_perm, error_temp)):
            cluster.login("station", "wrong")
