"""What an account can reach: its home and nothing else, by its rights and nothing more."""

import os
from pathlib import Path

import pytest

PATHS_OUT = [
    "../Data/secret.txt",
    "/../Data/secret.txt",
    "..\\Data\\secret.txt",
    "d/../../Data/secret.txt",
    "/Data/secret.txt",
]


@pytest.fixture(scope="module")
def tree(alone):
    """Files of several accounts, and things in the tree that no client should meet."""
    with alone.client() as client:
        client.store("mine.rnx", b"mine")
        client.ask("MKD d")
    with alone.client("lansurvey") as client:
        client.store("secret.txt", b"secret")
    station = alone.root / "Station"
    (station / "link-out").symlink_to("/etc")
    (station / "link-file").symlink_to(alone.root / "Data/secret.txt")
    (station / "dangling").symlink_to("/nowhere")
    os.mkfifo(station / "fifo")
    (station / "line\nfeed").write_bytes(b"")
    (alone.root / ".tripod" / "secret").write_bytes(b"secret")
    return alone


@pytest.fixture(scope="module")
def _station(tree):
    with tree.client() as client:
        yield client


@pytest.fixture
def station(_station):
    """A session that starts in its home; one login serves all tests, because a login is slow on purpose."""
    assert _station.ask("CWD /").startswith("250")
    return _station


@pytest.mark.parametrize("path", PATHS_OUT)
def test_nothing_outside_the_home_can_be_named(station, tree, path):
    for command in ("SIZE", "MDTM", "DELE", "RNFR", "RMD"):
        assert station.ask(f"{command} {path}").startswith("550"), command
    station.passive_port()
    assert station.ask(f"RETR {path}").startswith("550")
    assert (tree.root / "Data/secret.txt").read_bytes() == b"secret"


@pytest.mark.parametrize("path", ["link-out/passwd", "link-file", "link-out", "dangling", "fifo"])
def test_links_and_fifos_are_not_there(station, tree, path):
    for command in ("SIZE", "MDTM", "DELE", "RMD", "CWD", "MLST", "RNFR", "MFMT 20200101000000"):
        assert station.ask(f"{command} {path}").startswith("550"), command
    station.passive_port()
    assert station.ask(f"RETR {path}").startswith("550")
    assert (tree.root / "Data/secret.txt").read_bytes() == b"secret"
    assert (tree.root / "Station/link-out").is_symlink()


def test_a_rename_through_a_link_is_refused(station):
    assert station.ask("RNFR mine.rnx").startswith("350")
    assert station.ask("RNTO link-out/x").startswith("55")
    assert station.ask("SIZE mine.rnx") == "213 4"


@pytest.mark.parametrize("command", ["LIST", "LIST -a", "LIST -la /", "NLST", "NLST -la", "MLSD"])
def test_listings_show_files_and_directories_alone(station, tree, command):
    name, _, argument = command.partition(" ")
    listing, reply = station.fetch(argument, name)
    assert reply.startswith("226")
    assert b"mine.rnx" in listing
    for hidden in (b"link", b"dangling", b"fifo", b"feed", b".tripod", bytes(tree.root), b"secret"):
        assert hidden not in listing, hidden


def test_the_service_desk_sees_everything_but_what_is_tripods(tree):
    with tree.connect() as client:
        client.start_tls(tree.tls_context()).login("servicedesk", tree.cluster.passwords["servicedesk"])
        assert client.ask("SIZE Station/mine.rnx") == "213 4"
        assert client.ask("SIZE Data/secret.txt") == "213 6"
        for path in (".tripod", ".tripod/secret", "/Data/../.tripod/secret", "\\.tripod\\secret"):
            for command in ("SIZE", "CWD", "DELE", "RNFR", "MLST", "MKD"):
                assert client.ask(f"{command} {path}").startswith("55"), (command, path)
        client.ask("RNFR Station/mine.rnx")
        assert client.ask("RNTO .tripod/staging/x").startswith("553")
        client.ask("PBSZ 0"), client.ask("PROT P")
        with client.data(client.context) as data:
            assert client.ask("NLST -a").startswith("125")
            assert sorted(data.makefile("rb").read().split()) == [b"Data", b"Station"]
        assert client.reply().startswith("226")


@pytest.mark.parametrize("name", [b"caf\xe9", b"x" * 300])
def test_names_that_cannot_be_kept_are_a_553_and_the_session_goes_on(station, name):
    for command in (b"MKD ", b"SIZE ", b"STOR ", b"DELE ", b"STOU "):
        station.send(command + name + b"\r\n")
        assert station.reply().startswith("553"), command
    assert station.ask("NOOP").startswith("200")


def test_names_in_utf_8_come_back_as_they_were(station):
    name = "Größe é\u00a0漢字 x.rnx"
    assert station.store(name, b"12").startswith("226")
    assert station.ask(f"SIZE {name}") == "213 2"
    assert name.encode() in station.fetch("", "NLST")[0]
    assert station.ask(f"MKD {name}.d") == f'257 "/{name}.d" directory created.'


def test_the_home_itself_stays(station):
    for command in ("RMD /", "RMD .", "RNFR /", "MKD /", "DELE /"):
        assert station.ask(command).startswith("550"), command


def test_the_process_changes_its_directory_for_nobody(station, tree):
    before = Path(f"/proc/{tree.process.pid}/cwd").readlink()
    assert station.ask("CWD d").startswith("250")
    assert station.ask("PWD").startswith('257 "/d"')
    assert Path(f"/proc/{tree.process.pid}/cwd").readlink() == before
    assert station.ask("CDUP").startswith("250")
