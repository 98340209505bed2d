"""An account's own limits, on a real node."""

import os

import pytest

from cluster.clock import monotonic_s
from tests.ftpnode.running import running
from tests.ftpnode.test_watching import from_client
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until

STATION = "{sessions: 4, sessions_per_address: 2, networks: [127.0.0.0/8, 198.51.100.0/24]}"
SLOW = "{upload_bytes_per_s: 1000000, download_bytes_per_s: 1000000}"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    limits = {"transfer_stall_s": 0.2}
    cluster = write_cluster(tmp_path_factory.mktemp("limits"), nodes=1, replication="none", limits=limits)
    text = cluster.file.read_text()
    for home, own in (("home: /Station", STATION), ("home: /Data\n    rights: [read, write", SLOW)):
        assert home in text
        text = text.replace(home, f"limits: {own}\n    {home}")
    cluster.file.write_text(text)
    with running(cluster) as node:
        yield node


def log_in(node, client):
    client.ask("USER station")
    return client.ask(f"PASS {node.cluster.passwords['station']}")[:3]


def test_an_account_has_so_many_sessions_in_all_and_from_one_address(node):
    sessions = [from_client(node, f"198.51.100.{last}") for last in (1, 1, 1, 2, 3, 4)]
    assert [log_in(node, client) for client in sessions] == ["230", "230", "421", "230", "230", "421"]
    sessions[0].close()
    until(lambda: len(node.document("sessions")["sessions"]) == 3, "the closed session is gone")
    with from_client(node, "198.51.100.4") as again:
        assert log_in(node, again) == "230"
    for client in sessions:
        client.close()
    until(lambda: not node.document("sessions")["sessions"], "all are gone")


def test_elsewhere_a_right_password_reads_as_a_wrong_one(node):
    with from_client(node, "203.0.113.1") as client:
        client.ask("USER station")
        wrong = client.ask("PASS wrong")
        client.ask("USER station")
        assert client.ask(f"PASS {node.cluster.passwords['station']}") == wrong


@pytest.mark.parametrize("tls", [False, True])
def test_transfers_keep_the_pace_of_their_account_and_are_whole(node, tls):
    content = os.urandom(1_300_000)
    with node.connect() as client:
        if tls:
            client.start_tls(node.tls_context())
        client.login("lansurvey", node.cluster.passwords["lansurvey"])
        if tls:
            client.ask("PBSZ 0")
            client.ask("PROT P")
        context = client.context if tls else None
        started_s = monotonic_s()
        with client.data(context) as data:
            client.ask("STOR slow.bin")
            data.sendall(content)
            if tls:
                data.unwrap()
        assert client.reply().startswith("226")
        stored_s = monotonic_s()
        with client.data(context) as data:
            client.ask("RETR slow.bin")
            fetched = b""
            while chunk := data.recv(1 << 20):
                fetched += chunk
        assert client.reply().startswith("226")
    assert fetched == content
    assert 0.6 < stored_s - started_s < 5
    assert 0.6 < monotonic_s() - stored_s < 5


def test_others_are_not_held_up(node):
    content = os.urandom(3_000_000)
    started_s = monotonic_s()
    with node.client() as client:
        assert client.store("fast.bin", content).startswith("226")
        assert client.fetch("fast.bin")[0] == content
    assert monotonic_s() - started_s < 4
