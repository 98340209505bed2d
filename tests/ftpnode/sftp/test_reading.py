"""Logging in and reading over SFTP: the same accounts, homes and rights as over FTP; with paramiko's client."""

import contextlib
import os

import paramiko
import pytest

from tests.ftpnode.sftp.clients import SFTP_PORT, connected
from tests.kit.wait import until


def test_a_file_and_a_listing_are_read(door, station):
    node, _ = door
    content = os.urandom(300_000)
    (node.root / "Station/day.rnx").write_bytes(content)
    os.utime(node.root / "Station/day.rnx", (1_600_000_000, 1_600_000_000))
    with station.open("day.rnx") as file:
        file.prefetch()
        assert file.read() == content
    assert station.stat("/day.rnx").st_size == len(content)
    assert station.stat("day.rnx").st_mtime == 1_600_000_000
    assert "day.rnx" in station.listdir("/")
    assert station.normalize(".") == "/"
    assert station.normalize("a/../../b") == "/b"


def test_the_host_key_is_the_clusters(door):
    node, _ = door
    wanted = paramiko.Ed25519Key.from_private_key_file(str(node.cluster.settings.cluster.sftp_host_key))
    assert node.cluster.settings.cluster.sftp_host_key.stat().st_mode & 0o777 == 0o600
    with contextlib.closing(paramiko.Transport((node.host, SFTP_PORT))) as transport:
        transport.start_client(timeout=10)
        assert transport.get_remote_server_key() == wanted


@pytest.mark.parametrize(
    "path", ["../Data/secret.txt", "/../Data/secret.txt", "/Data/secret.txt", "..\\Data\\secret.txt"]
)
def test_nothing_outside_the_home_can_be_named(door, station, path):
    (door[0].root / "Data/secret.txt").write_bytes(b"secret")
    with pytest.raises(FileNotFoundError):
        station.stat(path)
    with pytest.raises(FileNotFoundError):
        station.open(path)


def test_links_fifos_and_tripods_own_folder_are_not_there(door, station):
    node, _ = door
    odd = node.root / "Station/odd"
    odd.mkdir(exist_ok=True)
    (odd / "link-out").symlink_to("/etc")
    (odd / "link-file").symlink_to("/etc/passwd")
    os.mkfifo(odd / "fifo")
    (odd / "line\nfeed").write_bytes(b"")
    assert station.listdir("odd") == []
    for name in ("link-out", "link-out/passwd", "link-file", "fifo"):
        for look in (station.stat, station.lstat, station.open, station.listdir):
            with pytest.raises(FileNotFoundError):
                look(f"odd/{name}")
    with pytest.raises(OSError, match="no links"):
        station.readlink("odd/link-file")
    with connected(node, "servicedesk") as client:
        assert sorted(client.listdir("/")) == ["Data", "Station"]
        with pytest.raises(OSError, match="not allowed"):
            client.stat("/.tripod")


def test_a_file_that_only_another_node_has_is_fetched_while_the_client_waits(door, station):
    _, replicator = door
    replicator.elsewhere["Station/far.rnx"] = b"from afar"
    with station.open("far.rnx") as file:
        assert file.read() == b"from afar"


def test_a_wrong_password_and_an_unknown_account_are_refused_alike(door):
    node, _ = door
    for account in ("station", "nobody", "servicedesk"):
        with pytest.raises(paramiko.AuthenticationException), connected(node, account, password="wrong"):
            pass
    until(lambda: len(node.events("login refused")) >= 3, "the log has them")


def test_anonymous_is_not_served(door):
    node, _ = door
    for user in ("anonymous", "ftp"):
        with (
            pytest.raises(paramiko.AuthenticationException),
            connected(node, user, port=SFTP_PORT + 1, password="me@example.org"),
        ):
            pass


def test_after_too_many_wrong_passwords_the_right_one_does_not_count(door):
    node, _ = door
    transport = paramiko.Transport((node.host, SFTP_PORT))
    with contextlib.closing(transport):
        transport.start_client(timeout=10)
        for _ in range(3):
            with pytest.raises(paramiko.SSHException):
                transport.auth_password("station", "wrong")
        with pytest.raises((paramiko.SSHException, EOFError)):
            transport.auth_password("station", node.cluster.passwords["station"])


def test_a_public_key_lets_in_and_another_does_not(door, key_file):
    node, _ = door
    key = paramiko.Ed25519Key.from_private_key_file(str(key_file))
    with connected(node, pkey=key) as client:
        assert isinstance(client.listdir("/"), list)
    with pytest.raises(paramiko.AuthenticationException), connected(node, "servicedesk", pkey=key):
        pass
    with pytest.raises(paramiko.AuthenticationException), connected(node, pkey=paramiko.ECDSAKey.generate()):
        pass


def test_a_client_that_does_not_log_in_is_cut(door):
    node, _ = door
    transport = paramiko.Transport((node.host, SFTP_PORT))
    with contextlib.closing(transport):
        transport.start_client(timeout=10)
        until(lambda: not transport.is_active(), "cut")


def test_sessions_are_counted_and_a_drain_lets_no_new_one_in(door):
    node, _ = door
    until(lambda: node.health()["sessions"] == 0, "those of other tests have ended")
    with connected(node):
        until(lambda: node.health()["sessions"] == 1, "counted")
        assert node.act("drain") == 200
        try:
            with pytest.raises((paramiko.SSHException, EOFError, OSError)), connected(node):
                pass
        finally:
            assert node.act("enable") == 200
    until(lambda: node.health()["sessions"] == 0, "gone")


def test_shells_commands_and_forwarding_are_not_there(door):
    node, _ = door
    with contextlib.closing(paramiko.Transport((node.host, SFTP_PORT))) as transport:
        transport.connect(username="station", password=node.cluster.passwords["station"])
        for ask in (lambda c: c.invoke_shell(), lambda c: c.exec_command("id")):
            with pytest.raises(paramiko.SSHException):
                ask(transport.open_session())
        with pytest.raises(paramiko.ChannelException):
            transport.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 22))


def test_strangers_who_speak_no_ssh_are_no_error(door):
    import socket

    node, _ = door
    with socket.create_connection((node.host, SFTP_PORT), timeout=5) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while stranger.recv(1000):
            pass
    assert not node.tracebacks()
