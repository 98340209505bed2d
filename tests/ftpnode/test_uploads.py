"""What becomes of an upload, by how its data ended. Nothing cut is ever seen, and the old file stays."""

import resource
import socket

import pytest

from tests.ftpnode.raw_client import reset
from tests.ftpnode.running import running
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until

OLD = b"the old content"


@pytest.fixture
def station(alone):
    with alone.client() as client:
        assert client.store("kept.rnx", OLD).startswith("226")
        yield client
    until(lambda: not alone.staged(), "staging is empty")
    assert (alone.root / "Station/kept.rnx").read_bytes() == OLD


def test_a_whole_upload_is_there_byte_for_byte_after_the_226(alone, station):
    content = bytes(range(256)) * 4000 + b"\r\nlast\r"
    assert station.store("whole.rnx", content) == "226 Transfer complete. (1 copy)"
    assert (alone.root / "Station/whole.rnx").read_bytes() == content


def test_an_empty_upload_is_an_empty_file(alone, station):
    assert station.store("empty.rnx", b"").startswith("226")
    assert (alone.root / "Station/empty.rnx").read_bytes() == b""


def test_a_file_under_way_is_not_visible(alone, station):
    with station.data() as data:
        assert station.ask("STOR under-way.rnx").startswith("125")
        data.sendall(b"x" * 100_000)
        until(alone.staged, "bytes arrive in staging")
        with alone.client() as other:
            assert b"under-way" not in other.fetch("/", "NLST")[0]
            assert other.ask("SIZE under-way.rnx").startswith("550")
    assert station.reply().startswith("226")


def test_a_reset_data_connection_cuts(station):
    data = station.data()
    assert station.ask("STOR kept.rnx").startswith("125")
    data.sendall(b"half")
    reset(data)
    assert station.reply() == "426 Data connection was reset; nothing was stored."
    assert station.ask("NOOP").startswith("200")


def test_abor_cuts_and_is_answered(station):
    with station.data() as data:
        assert station.ask("STOR kept.rnx").startswith("125")
        data.sendall(b"half")
        assert station.ask("ABOR").startswith("426")
        assert station.reply().startswith("226")


def test_abor_with_telnet_signals_before_it_cuts(station):
    with station.data() as data:
        assert station.ask("STOR kept.rnx").startswith("125")
        data.sendall(b"half")
        station.send(b"\xff\xf4\xff\xf2ABOR\r\n")
        assert [station.reply()[:3], station.reply()[:3]] == ["426", "226"]


def test_abor_before_the_data_connection_cuts(station):
    station.passive_port()
    assert station.ask("STOR kept.rnx").startswith("150")
    assert station.ask("ABOR").startswith("426")
    assert station.reply().startswith("226")
    with station.data() as data:
        data.sendall(b"for nobody")
    assert station.ask("NOOP").startswith("200")


@pytest.mark.slow
def test_stalled_data_cuts(station):
    with station.data() as data:
        assert station.ask("STOR kept.rnx").startswith("125")
        data.sendall(b"half")
        assert station.reply() == "426 Data connection stalled; nothing was stored."


def test_a_vanished_control_connection_cuts(alone):
    with alone.client() as client, client.data() as data:
        assert client.ask("STOR vanished.rnx").startswith("125")
        data.sendall(b"half")
        until(alone.staged, "bytes arrive in staging")
        client.close()
        until(lambda: not alone.staged(), "staging is empty")
    assert not (alone.root / "Station/vanished.rnx").exists()


@pytest.mark.parametrize("account", ["station", "servicedesk"])
def test_over_tls_only_close_notify_is_an_end(alone, account):
    context = alone.tls_context()
    path = "kept-tls.rnx" if account == "station" else "/Station/kept-tls.rnx"
    with alone.connect() as client:
        client.start_tls(context)
        client.login(account, alone.cluster.passwords[account])
        assert [client.ask("PBSZ 0")[:3], client.ask("PROT P")[:3]] == ["200", "200"]
        data = client.data(context)
        assert client.ask(f"STOR {path}").startswith("125")
        data.sendall(OLD)
        data.unwrap().close()
        assert client.reply().startswith("226")

        data = client.data(context)
        assert client.ask(f"STOR {path}").startswith("125")
        data.sendall(b"half")
        with socket.socket(fileno=data.detach()) as plain:
            plain.shutdown(socket.SHUT_WR)
            assert client.reply() == ("426 Data connection ended without a TLS close_notify; nothing was stored.")

        data = client.data(context)
        assert client.ask(f"STOR {path}").startswith("125")
        data.sendall(b"half")
        reset(data)
        assert client.reply().startswith("426")
    assert (alone.root / "Station/kept-tls.rnx").read_bytes() == OLD


def test_a_failed_handshake_on_the_data_connection_is_a_522(alone):
    context = alone.tls_context()
    with alone.connect() as client:
        client.start_tls(context).login("station", alone.cluster.passwords["station"])
        client.ask("PBSZ 0"), client.ask("PROT P")
        with client.data() as data:
            assert client.ask("STOR not-tls.rnx").startswith("125")
            data.sendall(b"this is no handshake" * 10)
            assert client.reply().startswith("522")


def test_a_restart_beyond_the_end_is_refused_before_the_data(station):
    station.ask("REST 100")
    station.passive_port()
    assert station.ask("STOR kept.rnx").startswith("554")


def test_a_cut_append_leaves_the_file_as_it_was(station):
    data = station.data()
    assert station.ask("APPE kept.rnx").startswith("125")
    data.sendall(b"half")
    reset(data)
    assert station.reply().startswith("426")


def test_stat_during_an_upload_is_answered_at_once(station):
    with station.data() as data:
        assert station.ask("STOR stat.rnx").startswith("125")
        data.sendall(b"1234")
        until(lambda: "4 bytes" in station.ask("STAT"), "STAT tells the bytes")
    assert station.reply().startswith("226")


def test_what_is_pipelined_behind_an_upload_waits_for_it(station):
    with station.data() as data:
        station.send(b"STOR piped.rnx\r\nSIZE piped.rnx\r\n")
        assert station.reply().startswith("125")
        data.sendall(b"12345")
    assert station.reply().startswith("226")
    assert station.reply() == "213 5"


def test_data_that_comes_before_the_command_is_not_lost(alone, station):
    with station.data() as data:
        data.sendall(b"early bird")
        data.shutdown(socket.SHUT_WR)
        assert station.ask("NOOP").startswith("200")
        assert station.ask("STOR early.rnx").startswith("125")
        assert station.reply().startswith("226")
    assert (alone.root / "Station/early.rnx").read_bytes() == b"early bird"


def test_an_upload_without_a_data_connection_is_a_425(station):
    assert station.ask("STOR kept.rnx").startswith("425")


def test_an_upload_into_a_missing_directory_or_over_one_is_a_550(station):
    station.ask("MKD a-directory")
    station.passive_port()
    assert station.ask("STOR no/such/x.rnx").startswith("550")
    assert station.ask("STOR a-directory").startswith("550")
    assert station.ask("STOR /").startswith("550")


@pytest.mark.slow
def test_a_disk_that_refuses_bytes_is_a_552_and_the_session_goes_on(tmp_path):
    cluster = write_cluster(tmp_path, nodes=1, replication="none")
    with running(cluster) as node, node.client() as client:
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
        with client.data() as data:
            assert client.ask("STOR large.rnx").startswith("125")
            data.sendall(b"x" * 100_001)
            assert client.reply().startswith("552")
        assert client.store("small.rnx", b"fits").startswith("226")
        assert not (node.root / "Station/large.rnx").exists()
        until(lambda: not node.staged(), "staging is empty")


@pytest.mark.slow
def test_a_disk_below_the_reserve_is_a_452_before_any_byte(tmp_path):
    cluster = write_cluster(tmp_path, nodes=1, replication="none", replication_settings={"disk_reserve_bytes": 1 << 60})
    with running(cluster) as node, node.client() as client:
        client.passive_port()
        assert client.ask("STOR x.rnx").startswith("452")
        health = node.health()
        assert health["state"] == "ready"  # for what is there
        assert "no uploads" in health["notices"][0]


@pytest.mark.slow
def test_what_a_killed_node_left_in_staging_is_gone_after_its_start(tmp_path):
    cluster = write_cluster(tmp_path, nodes=1, replication="none")
    with running(cluster) as node:
        with node.client() as client, client.data() as data:
            client.ask("STOR cut.rnx")
            data.sendall(b"half")
            until(node.staged, "bytes arrive in staging")
            node.stop(9)
        assert node.staged()
        (node.root / ".tripod/staging/pub-of-the-replicator").write_bytes(b"not ours")
        node.start()
        assert node.staged() == ["pub-of-the-replicator"]
        assert not (node.root / "Station/cut.rnx").exists()
