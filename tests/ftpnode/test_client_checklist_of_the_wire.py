"""The client checklist, what any client may do on the wire, and what an account may set for its clients."""

import socket

import msgspec
import pytest

from cluster.read_settings import read_settings
from tests.ftpnode.running import running
from tests.kit.cluster_folder import write_cluster

BINARY = bytes(range(256)) * 40 + b"\r\n\n\r"


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A node whose accounts serve clients of old servers: `station` like an old Unix, `lansurvey` like IIS."""
    cluster = write_cluster(tmp_path_factory.mktemp("old"), nodes=1, replication="none")
    text = cluster.file.read_text()
    for home, compatibility in (
        ("/Station", "{latin1_names: true, active_mode: false, backslash_paths: false}"),
        ("/Data", "{case_insensitive: true, listing: msdos, replace_on_rename: false}\n    deny: [/Secret]"),
    ):
        text = text.replace(f"home: {home}\n", f"home: {home}\n    compatibility: {compatibility}\n", 1)
    cluster.file.write_text(text)
    with running(msgspec.structs.replace(cluster, settings=read_settings(cluster.file))) as node:
        yield node


def test_without_backslash_paths_a_backslash_is_a_letter_of_the_name(old):
    r"""9. The account's setting `backslash_paths: false`."""
    with old.client() as client:
        assert client.store("a\\b.rnx", b"12").startswith("226")
        assert client.fetch("", "NLST")[0] == b"a\\b.rnx\r\n"


def test_commands_in_one_segment_before_the_greeting_in_lower_case_are_answered_in_order(alone):
    """12. Commands in one segment before the 220, in lower case, are answered in order."""
    password = alone.cluster.passwords["station"]
    with socket.create_connection((alone.host, alone.port())) as raw, raw.makefile("rb") as file:
        raw.sendall(f"user station\r\npass {password}\r\nmkd camera\r\nquit\r\n".encode())
        raw.shutdown(socket.SHUT_WR)
        codes = [line[:3] for line in file.read().splitlines()]
    assert codes == [b"220", b"331", b"230", b"257", b"221"]
    assert (alone.root / "Station/camera").is_dir()


def test_a_line_may_end_in_a_bare_lf(alone):
    """13. Bare-LF lines are accepted."""
    with alone.connect() as client:
        client.send(b"NOOP\n")
        assert client.reply().startswith("200")


@pytest.mark.parametrize("copies", [1, 2])
def test_the_226_begins_with_transfer_complete_however_many_copies_there_are(pair, copies):
    """14. The 226 text stays "Transfer complete"."""
    node, replicator = pair
    replicator.behave(lambda request: replicator.do(request, copies=copies))
    with node.client() as client:
        assert client.store("text.rnx", b"1").startswith("226 Transfer complete.")
        assert client.fetch("text.rnx")[1].startswith("226 Transfer complete.")


def test_port_is_answered_before_the_client_listens(alone, station):
    """15. Slow active listeners: PORT gets 200 before the server connects."""
    host = station.socket.getsockname()[0]
    with socket.socket() as slow:
        slow.bind((host, 0))
        port = slow.getsockname()[1]
        assert station.ask(f"PORT {host.replace('.', ',')},{port >> 8},{port & 255}").startswith("200")
        slow.listen()
        station.send(b"STOR slow.rnx\r\n")
        data, _ = slow.accept()
        with data:
            data.sendall(BINARY)
    assert [station.reply()[:3], station.reply()[:3]] == ["150", "226"]
    assert (alone.root / "Station/slow.rnx").read_bytes() == BINARY


def test_an_account_without_active_mode_is_told_so_and_goes_on(old):
    """15. The account's setting `active_mode: false`."""
    with old.client() as client:
        host = client.socket.getsockname()[0].replace(".", ",")
        assert client.ask(f"PORT {host},100,1").startswith("502")
        assert client.store("passive.rnx", b"1").startswith("226")


def ask_bytes(client, command):
    client.send(command + b"\r\n")
    return client._file.readline().rstrip(b"\r\n")


def store_bytes(client, name, content):
    with client.data() as data:
        opened = ask_bytes(client, b"STOR " + name)
        if opened[:3] not in {b"125", b"150"}:
            return opened
        data.sendall(content)
    return client._file.readline()


def test_names_in_latin_1_and_utf_8_round_trip_and_never_merge(alone, station, old):
    """16. Latin-1 and UTF-8 names round-trip, never merge."""
    for name, content in (("caf\u00e9", b"1"), ("caf\u00e8", b"2"), ("cafe\u0301", b"3")):
        assert store_bytes(station, name.encode(), content).startswith(b"226")
    for number, name in enumerate(("caf\u00e9", "caf\u00e8", "cafe\u0301"), 1):
        assert (alone.root / "Station" / name).read_bytes() == str(number).encode()
        assert station.fetch(name)[0] == str(number).encode()
    assert store_bytes(station, b"caf\xe9", b"x").startswith(b"553")
    with old.client() as client:
        assert ask_bytes(client, b"MKD caf\xe9") == b'257 "/caf\xe9" directory created.'
        for name in (b"\xe9.rnx", b"\xe8.rnx", "\u00e9.rnx".encode()):
            assert store_bytes(client, b"caf\xe9/" + name, name).startswith(b"226")
        assert client.fetch("caf", "NLST")[1].startswith("550")
        assert ask_bytes(client, b"CWD caf\xe9").startswith(b'250 "/caf\xe9"')
        listing = client.fetch("", "NLST")[0].splitlines()
        assert sorted(listing) == [b"\xc3\xa9.rnx", b"\xe8.rnx", b"\xe9.rnx"]
        assert client.ask("OPTS UTF8 ON").startswith("504")
        assert "UTF8" not in client.ask("FEAT")
    assert (old.root / "Station/caf\u00e9/\u00e9.rnx").read_bytes() == b"\xe9.rnx"
    assert (old.root / "Station/caf\u00e9/\u00e8.rnx").read_bytes() == b"\xe8.rnx"


def test_an_account_may_mind_no_case_as_on_ntfs(old, station):
    """17. Case-insensitive paths as on NTFS, per account."""
    with old.client("lansurvey") as client:
        assert client.ask("MKD Rinex").startswith("257")
        assert client.ask("mkd RINEX").startswith("550")
        assert client.store("rinex/abcd.26O", b"old").startswith("226")
        assert client.store("RINEX\\ABCD.26o", b"new!").startswith("226")
        assert client.ask("CWD /rInEx").startswith('250 "/Rinex"')
        assert client.fetch("", "NLST")[0] == b"abcd.26O\r\n"
        assert client.ask("SIZE ABCD.26O") == "213 4"
        assert client.ask("MFMT 20240229120000 Abcd.26O").startswith("213")
        assert client.ask('XCRC "ABCD.26O"').startswith("250")
        assert b"abcd.26O" in client.fetch("-la /RINEX", "LIST")[0]
        assert client.ask("RNFR ABCD.26o").startswith("350")
        assert client.ask("RNTO ABCD.26o").startswith("250")
        assert client.fetch("", "NLST")[0] == b"ABCD.26o\r\n"
        assert client.ask("DELE ../RINEX/abcd.26o").startswith("250")
    station.store("case.rnx", b"1")
    assert station.ask("SIZE CASE.rnx").startswith("550")


@pytest.mark.parametrize(
    "command",
    [
        *("SIZE", "MDTM", "HASH", "XCRC", "XMD5", "XSHA256", "SITE COPIES", "AVBL", "DELE", "RNFR"),
        *("MFMT 20200101000000", "MDTM 20200101000000", "MFF modify=20200101000000;"),
    ],
)
def test_another_spelling_and_another_command_open_no_denied_folder(old, command):
    """17. Nor do the commands beside RFC 959."""
    secret = old.root / "Data/Secret"
    secret.mkdir(parents=True, exist_ok=True)
    (secret / "x").write_bytes(b"1")
    with old.client("lansurvey") as client:
        for path in ("/Secret/x", "/SECRET/X", "\\secret\\x"):
            assert client.ask(f"{command} {path}").startswith("550")
        assert client.ask("CWD /secret").startswith("550")
    assert (secret / "x").stat().st_mtime > 1_600_000_000


def test_an_account_may_see_listings_as_iis_writes_them(old):
    """17. The account's setting `listing: msdos`."""
    with old.client("lansurvey") as client:
        client.ask("MKD dos")
        client.store("dos/a file.26O", b"12345")
        client.ask("MFMT 20240229130500 dos/a file.26O")
        assert client.fetch("dos", "LIST")[0] == b"02-29-24  01:05PM                    5 a file.26O\r\n"
        assert b"       <DIR>          dos\r\n" in client.fetch("", "LIST")[0]
        assert client.ask("SYST") == "215 Windows_NT"


def test_size_and_rest_0_are_answered_in_ascii(station):
    """18. SIZE in ASCII is answered; REST 0 always accepted."""
    station.store("head.rnx", b"12345")
    assert station.ask("TYPE A").startswith("200")
    assert station.ask("MDTM head.rnx").startswith("213 20")
    assert station.ask("SIZE head.rnx") == "213 5"
    assert station.ask("REST 0").startswith("350")


def test_a_rename_onto_a_file_follows_the_accounts_policy(alone, station, old):
    """19. RNTO onto an existing file follows the account's policy (IIS default: refuse)."""
    station.store("final.rnx", b"old")
    station.store(".in.final.rnx", b"new!")
    assert station.ask("MFMT 20240229120000 .in.final.rnx").startswith("213")
    assert station.ask("RNFR .in.final.rnx").startswith("350")
    assert station.ask("RNTO final.rnx").startswith("250")
    assert (alone.root / "Station/final.rnx").read_bytes() == b"new!"
    assert station.ask("MDTM final.rnx") == "213 20240229120000"
    assert station.ask("RNTO final.rnx").startswith("503")
    with old.client("lansurvey") as client:
        client.store("final.rnx", b"old")
        client.store("new.rnx", b"new!")
        assert client.ask("RNFR new.rnx").startswith("350")
        assert client.ask("RNTO final.rnx").startswith("550")
    assert (old.root / "Data/final.rnx").read_bytes() == b"old"
    assert (old.root / "Data/new.rnx").read_bytes() == b"new!"


def test_quit_during_an_upload_is_answered_after_its_226(alone):
    """20. QUIT during STOR: 226 precedes 221."""
    with alone.client() as client:
        with client.data() as data:
            assert client.ask("STOR quit.rnx").startswith("125")
            client.send(b"QUIT\r\n")
            data.sendall(b"content")
        assert [client.reply()[:3], client.reply()[:3], client.reply()] == ["226", "221", ""]


def test_append_and_restart_build_on_the_file_that_is_there(alone, station):
    """21. APPE and REST+STOR work with atomic mode on."""
    assert station.store("grows.rnx", b"01234").startswith("226")
    assert station.store("grows.rnx", b"56", "APPE").startswith("226")
    assert (alone.root / "Station/grows.rnx").read_bytes() == b"0123456"
    assert station.ask("REST 3").startswith("350")
    assert station.store("grows.rnx", b"abc").startswith("226")
    assert (alone.root / "Station/grows.rnx").read_bytes() == b"012abc"
    assert station.store("new.rnx", b"first", "APPE").startswith("226")


@pytest.mark.parametrize("asked", ["", " day.rnx"])
def test_stou_tells_the_name_under_which_it_stores(alone, station, asked):
    """22. STOU names the stored file."""
    names = set()
    for _ in range(2):
        with station.data() as data:
            opened = station.ask(f"STOU{asked}")
            data.sendall(b"unique")
        assert station.reply().startswith("226")
        names.add(opened.partition("FILE: ")[2])
    assert len(names) == 2
    for name in names:
        assert (alone.root / "Station" / name).read_bytes() == b"unique"
