"""The SFTP door: the same accounts, homes and rights as over FTP, read with paramiko's client and OpenSSH's."""

import contextlib
import logging
import os
import shutil
import subprocess

import msgspec
import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cluster.read_settings import read_settings
from tests.ftpnode.fake_replicator import FakeReplicator
from tests.ftpnode.running import running
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until

SFTP_PORT = 2022
LIMITS = {"publish_timeout_s": 1.5, "sessions_per_address": 30, "login_timeout_s": 3.0}


def with_sftp(cluster, public_key):
    """The same cluster with an SFTP port, and a public key for `station`."""
    text = cluster.file.read_text()
    text = text.replace("  ingest:\n    port:", f"  ingest:\n    sftp_port: {SFTP_PORT}\n    port:")
    text = text.replace("  public:\n    port:", f"  public:\n    sftp_port: {SFTP_PORT + 1}\n    port:")
    text = text.replace("    home: /Station", f"    home: /Station\n    public_keys: [{public_key!r}]")
    cluster.file.write_text(text)
    return msgspec.structs.replace(cluster, settings=read_settings(cluster.file))


@pytest.fixture(scope="session")
def key_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("key") / "station"
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    file.chmod(0o600)
    return file


@pytest.fixture(scope="session")
def public_key(key_file):
    key = paramiko.Ed25519Key.from_private_key_file(str(key_file))
    return f"{key.get_name()} {key.get_base64()} station@example"


@pytest.fixture(scope="session")
def _door(tmp_path_factory, public_key):
    cluster = write_cluster(tmp_path_factory.mktemp("sftp"), nodes=2, limits=LIMITS)
    cluster = with_sftp(cluster, public_key)
    with FakeReplicator(cluster.settings.nodes["node1"]) as replicator, running(cluster) as node:
        (node.root / "Data").mkdir(parents=True, exist_ok=True)
        yield node, replicator


@pytest.fixture
def door(_door):
    node, replicator = _door
    replicator.behave()
    yield node, replicator
    replicator.behave()


@pytest.fixture(autouse=True)
def _quiet():
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)


@contextlib.contextmanager
def connected(node, account="station", port=SFTP_PORT, **how):
    how = how or {"password": node.cluster.passwords.get(account, "")}
    transport = paramiko.Transport((node.host, port))
    try:
        transport.connect(username=account, **how)
        yield paramiko.SFTPClient.from_transport(transport)
    finally:
        transport.close()


@pytest.fixture
def station(door):
    with connected(door[0]) as client:
        yield client


def text_of(error):
    return str(error.value)


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
        until(lambda: not transport.is_active(), "cut", 10)


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


@pytest.mark.skipif(shutil.which("sftp") is None, reason="no OpenSSH client here")
def test_openssh_reads(door, key_file, tmp_path):
    node, _ = door
    (node.root / "Station/open.rnx").write_bytes(b"open" * 1000)
    openssh(node, key_file, tmp_path, "ls -la", f"get open.rnx {tmp_path}/got")
    assert (tmp_path / "got").read_bytes() == b"open" * 1000


def openssh(node, key_file, folder, *lines, fails=False):
    batch = folder / "batch"
    batch.write_text("\n".join(lines) + "\n")
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes"]
    command = ["sftp", "-q", "-b", str(batch), "-i", str(key_file), "-P", str(SFTP_PORT)]
    for option in options:
        command += ["-o", option]
    run = subprocess.run([*command, f"station@{node.host}"], check=False, capture_output=True, text=True, timeout=60)
    assert (run.returncode != 0) == fails, run.stdout + run.stderr
    return run.stdout + run.stderr
