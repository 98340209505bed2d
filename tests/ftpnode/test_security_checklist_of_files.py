"""The security checklist of ftpnode, statements 13 to 17: paths, links, listings, and what is no file."""

import contextlib
import os
import socket
import stat
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from cluster.clock import monotonic_s
from ftpnode.commands.folders import SLICE_ENTRIES, Listing

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
        assert name.encode() not in client.fetch("", "NLST")[0].split()


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
        with client.data() as data, data.makefile("rb") as file, ThreadPoolExecutor(1) as pool:
            client.send(b"LIST large\r\n")
            reading = pool.submit(file.read)  # who does not read stalls, and is cut here after half a second
            waits_s = []
            for _ in range(100):
                started_s = monotonic_s()
                assert other.ask("NOOP").startswith("200")
                waits_s.append(monotonic_s() - started_s)
            listing = reading.result().splitlines()
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
