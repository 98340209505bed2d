"""The security checklist of ftpnode, statements 13 to 22: paths, listings, cuts, disks, pace, PROXY headers, ports."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from cluster.clock import monotonic_s
from cluster.proxy_header import ProxyHeader, encode
from ftpnode.commands.folders import SLICE_ENTRIES, Listing
from tests.ftpnode.raw_client import reset
from tests.ftpnode.running import running
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until

OLD = b"the old content"
WITH_DATA = {"STOR", "STOU", "APPE", "RETR", "LIST", "NLST", "MLSD"}


@pytest.fixture
def traps(alone, tmp_path):
    """A folder outside of everything, and ways to it in the home of `station`."""
    (tmp_path / "secret.txt").write_bytes(b"secret")
    with alone.client() as client:
        client.store("mine.rnx", b"mine")
    with alone.client("lansurvey") as client:
        client.store("others.txt", b"others")
    home = alone.root / "Station"
    (home / "to-folder").symlink_to(tmp_path)
    (home / "to-file").symlink_to(tmp_path / "secret.txt")
    (home / "dangles").symlink_to(tmp_path / "new.txt")
    os.mkfifo(home / "pipe")
    with contextlib.suppress(PermissionError):
        os.mknod(home / "device", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "socket"))
    yield tmp_path
    for name in ("to-folder", "to-file", "dangles", "pipe", "device", "socket"):
        (home / name).unlink(missing_ok=True)


def answers(client, line):
    """The replies to a command; one that transfers sends and takes whatever is there."""
    if line.partition(" ")[0] not in WITH_DATA:
        return [client.ask(line)]
    with client.data() as data:
        replies = [client.ask(line)]
        if replies[0].startswith("1"):
            with contextlib.suppress(OSError):
                data.sendall(b"new")
                data.shutdown(socket.SHUT_WR)
            while chunk := data.recv(65536):
                assert b"secret" not in chunk
            replies.append(client.reply())
    return replies


@pytest.mark.parametrize(
    "path",
    ["../Data/others.txt", "/../../Data/others.txt", "..\\Data\\others.txt", "to-folder/secret.txt",
     "to-folder/new.txt", "to-file", "dangles", "to-folder"],
)  # fmt: skip
def test_no_command_touches_anything_outside_the_home(alone, traps, path):
    """13. By `..`, a link, a dangling link; STOU included. An upload under a link's own name takes the link's place."""
    reading = (
        "SIZE",
        "MDTM",
        "MFMT 20200101000000",
        "RETR",
        "DELE",
        "RMD",
        "RNFR",
        "MLST",
        "CWD",
        "LIST",
        "NLST",
        "MLSD",
    )
    with alone.client() as client:
        for command in reading:
            assert answers(client, f"{command} {path}")[0].startswith("550"), command
        for command in ("STOU", "APPE", "STOR", "MKD"):
            answers(client, f"{command} {path}")
        assert client.ask("RNFR mine.rnx").startswith("350")
        client.ask(f"RNTO {path}/renamed" if path == "to-folder" else f"RNTO {path}")
    assert {entry.name: entry.read_bytes() for entry in traps.iterdir()} == {"secret.txt": b"secret"}
    assert (alone.root / "Data/others.txt").read_bytes() == b"others"
    assert not (alone.root / "Data/new.txt").exists()
    with alone.client() as client:
        client.store("mine.rnx", b"mine")


def test_denied_subtrees_stay_denied_through_links_and_renames(guarded):
    """14."""
    home = guarded.root / "Station"
    with guarded.client() as client:
        (home / "private").mkdir()
        (home / "private/key.txt").write_bytes(b"secret")
        (home / "alias").symlink_to("private")
        client.store("plain.rnx", b"x" * 10_000)
        for path in (
            "private",
            "private/key.txt",
            "./private/../private/key.txt",
            "\\private\\key.txt",
            "alias/key.txt",
        ):
            for command in (
                "SIZE",
                "MDTM",
                "RETR",
                "DELE",
                "RMD",
                "RNFR",
                "MLST",
                "CWD",
                "LIST",
                "MLSD",
                "MKD",
                "STOR",
                "APPE",
            ):
                reply = client.ask(f"{command} {path}")
                assert reply.startswith("550") or (command, reply[:3]) == ("MKD", "553"), (command, path, reply)
        assert client.ask("RNFR plain.rnx").startswith("350")
        assert client.ask("RNTO private/plain.rnx").startswith("550")
        for command in ("LIST", "NLST", "MLSD"):
            listing, reply = client.fetch("", command)
            assert reply.startswith("226")
            assert b"plain.rnx" in listing
            assert b"private" not in listing
    assert (home / "private/key.txt").read_bytes() == b"secret"


@pytest.mark.parametrize("command", ["LIST", "LIST -a", "LIST -la /", "NLST", "NLST -la", "MLSD"])
def test_listings_never_reveal_host_paths_temporaries_or_others_directories(alone, traps, command):
    """15, what is seen."""
    (alone.root / ".tripod" / "staging" / "up-test").write_bytes(b"")
    name, _, argument = command.partition(" ")
    with alone.client() as client:
        listing, reply = client.fetch(argument, name)
    (alone.root / ".tripod" / "staging" / "up-test").unlink()
    assert reply.startswith("226")
    assert b"mine.rnx" in listing
    for text in (bytes(alone.root), bytes(traps), b"->", b".tripod", b"up-test"):
        assert text not in listing, text
    assert not set(listing.split()) & {
        b"others",
        b"others.txt",
        b"Data",
        b"root",
    }  # neighbours may be called Data_Files
    names = {line.split()[-1] for line in listing.splitlines()}
    assert not names & {b"to-folder", b"to-file", b"dangles", b"pipe", b"device", b"socket"}


@pytest.mark.usefixtures("traps")
def test_anonymous_cannot_write_by_any_command(alone):
    """15, what is done."""
    writing = ("STOR x", "STOU", "STOU x", "APPE others.txt", "DELE others.txt", "MKD x", "XMKD x", "RMD x", "XRMD x",
               "RNFR others.txt", "RNTO x", "MFMT 20200101000000 others.txt", "MDTM 20200101000000 others.txt",
               "MFF Modify=20200101000000; others.txt", "MFCT 20200101000000 others.txt", "SITE CHMOD 777 others.txt",
               "SITE UTIME 20200101000000 others.txt", "COMB x others.txt")  # fmt: skip
    before = {path: (path.stat().st_mtime_ns, path.stat().st_mode) for path in (alone.root / "Data").iterdir()}
    for name in ("anonymous", "ftp"):
        with alone.connect("public") as client:
            client.login(name, "")
            client.passive_port()
            for line in writing:
                assert client.ask(line)[:3] in {"202", "500", "501", "502", "504", "550"}, line
            assert client.fetch("others.txt") == (b"others", "226 Transfer complete.")
    assert {path: (path.stat().st_mtime_ns, path.stat().st_mode) for path in (alone.root / "Data").iterdir()} == before


@pytest.mark.usefixtures("traps")
@pytest.mark.parametrize("name", ["pipe", "device", "socket"])
def test_a_fifo_device_or_socket_never_blocks_the_loop_and_is_never_served(alone, name):
    """16."""
    if not os.path.lexists(alone.root / "Station" / name):
        pytest.skip("only root makes devices")
    with alone.client() as client, alone.connect() as other:
        for command in ("RETR", "SIZE", "MDTM", "CWD", "MLST", "DELE", "RNFR"):
            client.passive_port()
            assert client.ask(f"{command} {name}").startswith("550"), command
            assert other.ask("NOOP").startswith("200")
        assert name.encode() not in client.fetch("", "NLST")[0]


def test_a_large_listing_is_produced_in_slices():
    """17, loop time: each slice is one piece of work in the pool, and the next is read when the last was sent."""
    asked, sent = [], []

    def run(_pool, work, then):
        done = Future()
        done.set_result(work())
        then(done)

    class Connection:
        def send_slices(self, ask):
            self.ask = ask
            ask()

        def send_slice(self, content, *, is_last):
            sent.append((content, is_last))

    def lines(names):
        asked.append(len(names))
        return b"x" * len(names)

    session = SimpleNamespace(threads=SimpleNamespace(run=run))
    connection = Connection()
    Listing(session, ["name"] * (2 * SLICE_ENTRIES + 1), lines, None).start(connection)
    assert asked == [SLICE_ENTRIES]
    connection.ask()
    connection.ask()
    assert asked == [SLICE_ENTRIES, SLICE_ENTRIES, 1]
    assert [(len(content), last) for content, last in sent] == [
        (SLICE_ENTRIES, False),
        (SLICE_ENTRIES, False),
        (1, True),
    ]


@pytest.mark.slow
def test_a_large_listing_is_bounded_in_entries_and_does_not_stop_others(guarded):
    """17. Patterns are names, and nothing recurses. (How long others wait at most is printed, as it varies.)"""
    folder = guarded.root / "Station" / "large"
    with guarded.client() as client, guarded.client() as other:
        folder.mkdir()
        for number in range(20_000):
            (folder / f"{number:05}.rnx").touch()
        with client.data() as data, data.makefile("rb") as file:
            client.send(b"LIST large\r\n")
            waits_s = []
            for _ in range(100):
                started_s = monotonic_s()
                assert other.ask("NOOP").startswith("200")
                waits_s.append(monotonic_s() - started_s)
            listing = file.read().splitlines()
        assert [client.reply()[:3], client.reply()[:3]] == ["125", "226"]
        assert [line[-9:] for line in listing] == [f"{number:05}.rnx".encode() for number in range(20_000)]
        print(f"NOOPs beside a LIST of 20,000 files waited {max(waits_s) * 1000:.1f} ms at most")
        for number in range(20_000, 25_001):
            (folder / f"{number:05}.rnx").touch()
        assert client.ask("LIST large") == "550 The directory has more than 25000 entries."
        client.passive_port()
        assert client.ask("LIST */*/*/*/*/*").startswith("550")
        assert b"large" in client.fetch("-R", "LIST")[0]
        assert b"00001.rnx" not in client.fetch("-R", "LIST")[0]


def _cut_by_reset(_client, data, _node):
    reset(data)


def _cut_without_close_notify(_client, data, _node):
    data.shutdown(socket.SHUT_WR)  # of the socket below TLS


def _cut_by_timeout(_client, data, node):
    until(lambda: not node.staged(), "the stalled upload is over")
    data.close()


def _cut_by_abor(client, data, _node):
    client.send(b"ABOR\r\n")
    data.close()


@pytest.mark.parametrize("cut", [_cut_by_reset, _cut_without_close_notify, _cut_by_timeout, _cut_by_abor])
def test_a_cut_upload_leaves_the_old_file_and_no_partial_and_is_never_a_226(alone, cut):
    """18. Four of the six ways; the other two need a node of their own."""
    context = alone.tls_context()
    with alone.client() as client:
        assert client.store("cut.rnx", OLD).startswith("226")
    with alone.connect() as client:
        client.start_tls(context).login("station", alone.cluster.passwords["station"])
        tls = cut is _cut_without_close_notify
        assert [client.ask("PBSZ 0")[:3], client.ask(f"PROT {'P' if tls else 'C'}")[:3]] == ["200", "200"]
        with client.data(context if tls else None) as data:
            assert client.ask("STOR cut.rnx").startswith("125")
            data.sendall(b"half of it")
            until(alone.staged, "bytes arrive in staging")
            cut(client, data, alone)
            assert client.reply().startswith("426")
    until(lambda: not alone.staged(), "staging is empty")
    assert (alone.root / "Station/cut.rnx").read_bytes() == OLD


@pytest.mark.slow
def test_a_killed_node_leaves_the_old_file_and_no_partial(tmp_path):
    """18, kill -9."""
    cluster = write_cluster(tmp_path, nodes=1, replication="none")
    with running(cluster) as node:
        with node.client() as client:
            assert client.store("cut.rnx", OLD).startswith("226")
            with client.data() as data:
                assert client.ask("STOR cut.rnx").startswith("125")
                data.sendall(b"half of it")
                until(node.staged, "bytes arrive in staging")
                node.stop(signal.SIGKILL)
                assert client.reply() == ""
        node.start()
        assert node.staged() == []
        assert [path.name for path in (node.root / "Station").iterdir()] == ["cut.rnx"]
        assert (node.root / "Station/cut.rnx").read_bytes() == OLD


@pytest.fixture
def small_disk(tmp_path):
    """A node whose root is a file system of two mebibytes."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system")
    cluster = write_cluster(tmp_path, nodes=1, replication="none", replication_settings={"disk_reserve_bytes": 0})
    root = cluster.settings.nodes["node1"].root
    root.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", root], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system to fill: {mounted.stderr.decode().strip()}")
    try:
        with running(cluster) as node:
            yield node
    finally:
        subprocess.run(["umount", root], check=True)


@pytest.mark.slow
def test_a_full_disk_gives_452_and_a_usable_session(small_disk):
    """19, and the last of the six ways of 18."""
    with small_disk.client() as client:
        assert client.store("kept.rnx", OLD).startswith("226")
        for _ in range(2):
            with client.data() as data:
                assert client.ask("STOR kept.rnx").startswith("125")
                with contextlib.suppress(ConnectionError):
                    data.sendall(b"x" * 4_000_000)
                assert client.reply().startswith("452")
            until(lambda: not small_disk.staged(), "staging is empty")
            assert (small_disk.root / "Station/kept.rnx").read_bytes() == OLD
            assert client.fetch("kept.rnx")[0] == OLD
        assert client.store("small.rnx", b"fits").startswith("226")


def test_minimum_rate_and_stall_limits_end_trickle_transfers(guarded):
    """20, in both directions."""
    with guarded.client() as client:
        with client.data() as data:
            assert client.ask("STOR trickle.rnx").startswith("125")
            data.sendall(b"x" * 100)
            assert client.reply() == "426 Data came too slowly; nothing was stored."
        with client.data():
            assert client.ask("STOR stalled.rnx").startswith("125")
            assert client.reply() == "426 Data connection stalled; nothing was stored."
        content = bytes(20_000_000)
        assert client.store("untaken.rnx", content).startswith("226")
        with client.data() as data:
            assert client.ask("RETR untaken.rnx").startswith("125")
            data.recv(1000)
            assert client.reply().startswith("426")
        assert client.fetch("untaken.rnx") == (content, "226 Transfer complete.")
        assert not (guarded.root / "Station/trickle.rnx").exists()


def _header(address):
    return encode(ProxyHeader(source=(address, 5000), destination=("198.51.100.1", 21), tls=False, session="abc123"))


def test_proxy_headers_are_honoured_only_from_listed_peers(alone):
    """21, trust: from anybody else a header is a command that does not exist."""
    with alone.connect(source="127.0.0.88") as client:
        client.send(_header("198.51.100.7") + b"\r\n")
        assert client.reply().startswith("500")
    with alone.client(source="127.0.0.88") as client:
        assert client.ask("NOOP").startswith("200")
    assert alone.events("login")[-1]["client"] == "127.0.0.88"
    vip = alone.cluster.settings.balancer.source_addresses[0]
    with alone.connect(source=vip, before=b"USER station\r\nPASS x\r\n", greeting=False) as client:
        assert client.reply() == ""


def test_limits_use_the_real_client_address_and_are_released_on_close(alone):
    """21, limits."""
    vip = alone.cluster.settings.balancer.source_addresses[0]
    most = alone.cluster.settings.limits.sessions_per_address
    until(lambda: alone.health()["sessions"] == 0, "no sessions")
    for _ in range(2):
        clients = [alone.connect(source=vip, before=_header("198.51.100.7")) for _ in range(most)]
        with alone.connect(source=vip, before=_header("198.51.100.7")) as one_more:
            assert one_more.greeting.startswith("421")
        with alone.connect(source=vip, before=_header("198.51.100.8")) as other:
            assert other.greeting.startswith("220")
        for client in clients:
            client.close()
        until(lambda: alone.health()["sessions"] == 0, "sessions are released")


def test_an_exhausted_passive_range_gives_425_and_never_a_port_outside_it(guarded):
    """22."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(guarded.client()) for _ in range(5)]
        assert {client.passive_port() for client in clients[:4]} == {30000, 30001, 30002, 30003}
        assert clients[4].ask("EPSV").startswith("425")
        assert clients[4].ask("PASV").startswith("425")
        assert clients[0].ask("ABOR").startswith("226")
        assert 30000 <= clients[4].passive_port() <= 30003
