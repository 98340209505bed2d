"""The client checklist, statement by statement: real clients where Debian has them, else what they send."""

import contextlib
import ftplib
import io
import shutil
import socket

import msgspec
import pytest

from cluster.publish import Reason
from cluster.read_settings import read_settings
from tests.ftpnode.fake_replicator import refuse
from tests.ftpnode.raw_client import reset
from tests.ftpnode.running import running
from tests.kit.cluster_folder import write_cluster
from tests.kit.programs import run
from tests.kit.wait import until

BINARY = bytes(range(256)) * 40 + b"\r\n\n\r"


@pytest.fixture(scope="module")
def _station(alone):
    with alone.client() as client:
        yield client


@pytest.fixture
def station(_station):
    """A session that starts in its home; one login serves most tests, because a login is slow on purpose."""
    assert _station.ask("CWD /").startswith("250")
    return _station


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


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "up.rnx"
    path.write_bytes(BINARY)
    return path


def url(node, path=""):
    return f"ftp://station:{node.cluster.passwords['station']}@{node.host}:{node.port()}/{path}"


def test_curl_makes_directories_looks_in_ascii_and_asks_for_tls(alone, file):
    """1. curl: PWD, CWD/MKD per segment, EPSV, TYPE I; `-I` sends MDTM in ASCII and REST 0; tries AUTH SSL."""
    said = run("curl", "-sv", "--ftp-create-dirs", "-T", file, url(alone, "curl/2026/up.rnx"))
    for command in ("PWD", "CWD curl", "MKD curl", "MKD 2026", "EPSV", "TYPE I", "STOR up.rnx"):
        assert f"> {command}" in said
    assert (alone.root / "Station/curl/2026/up.rnx").read_bytes() == BINARY
    said = run("curl", "-svI", url(alone, "curl/2026/up.rnx"))
    assert f"Content-Length: {len(BINARY)}" in said
    assert "Last-Modified:" in said
    assert said.index("> MDTM") < said.index("> TYPE I") < said.index("> REST 0")
    said = run("curl", "-svk", "--ssl-reqd", "-T", file, url(alone, "curl/tls.rnx"))
    assert "> AUTH SSL" in said
    assert "> PROT P" in said
    assert (alone.root / "Station/curl/tls.rnx").read_bytes() == BINARY
    assert run("curl", "-s", "-l", url(alone, "curl/")).split() == ["2026", "tls.rnx"]
    run("curl", "-s", "-P", "-", "-T", file, url(alone, "curl/active.rnx"))
    assert (alone.root / "Station/curl/active.rnx").read_bytes() == BINARY


def test_lftp_asks_for_tls_unasked_uploads_under_a_temporary_name_and_mirrors(alone, file):
    """2. lftp: AUTH TLS unasked; OPTS UTF8 ON before the login; `.in.NAME`, MFMT, RNFR/RNTO; SITE CHMOD."""
    mirrored = file.parent / "tree" / "inner"
    mirrored.mkdir(parents=True)
    shutil.copy(file, mirrored / "deep.rnx")
    settings = "set ssl:verify-certificate no; set xfer:use-temp-file yes; set net:max-retries 1"
    script = (
        f"{settings}; mkdir lftp; put -O lftp {file}; put -O lftp {file}; mirror -R {file.parent}/tree lftp/tree; quit"
    )
    said = run("lftp", "-d", "-e", script, url(alone), folder=file.parent)
    for command in ("AUTH TLS", "OPTS UTF8 ON", "PROT P", "MFMT", "RNTO", "SITE CHMOD"):
        assert f"---> {command}" in said
    assert sorted(path.name for path in (alone.root / "Station/lftp").iterdir()) == ["tree", "up.rnx"]
    assert (alone.root / "Station/lftp/tree/inner/deep.rnx").read_bytes() == BINARY
    with alone.connect() as client:
        assert client.ask("OPTS UTF8 ON").startswith("200")


def test_wget_lists_with_an_option_and_closes_without_quit(alone, station, tmp_path):
    """3. wget: `LIST -a`, closes without QUIT."""
    station.ask("MKD wget")
    for name in ("a.rnx", "b.rnx", "c.txt"):
        station.store(f"wget/{name}", BINARY)
    said = run("wget", "-d", "-S", "--no-host-directories", url(alone, "wget/*.rnx"), folder=tmp_path)
    assert "--> LIST -a" in said
    assert "--> QUIT" not in said
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["a.rnx", "b.rnx"]
    assert (tmp_path / "b.rnx").read_bytes() == BINARY


def test_sessions_of_clients_that_leave_without_a_word_end(alone, station):
    """3. What wget leaves behind is no session for long."""
    assert station.ask("NOOP").startswith("200")
    until(lambda: alone.health()["sessions"] == 1, "the session of these tests is the only one")
    left = [alone.client() for _ in range(3)]
    assert alone.health()["sessions"] == 4
    for client in left:
        client.close()
    until(lambda: alone.health()["sessions"] == 1, "the sessions have ended", 5)


@pytest.mark.parametrize("command", ["LIST -la", "LIST -la /", "LIST -a .", "NLST -la", "NLST -la /", "MLSD /", "LIST"])
def test_listings_take_options_and_types_and_modes_take_what_clients_write_behind_them(station, command):
    """4. `NLST -la`, `LIST -la /path`, `TYPE A N`, `MODE S ` (trailing space) work."""
    assert station.ask("TYPE A N").startswith("200")
    assert station.ask("MODE S ").startswith("200")
    station.store("listed.rnx", b"12")
    name, _, argument = command.partition(" ")
    listing, reply = station.fetch(argument, name)
    assert b"listed.rnx\r\n" in listing
    assert reply == "226 Transfer complete."


def test_ftplib_resumes_no_tls_on_data_and_ignores_the_pasv_address(alone):
    """5. ftplib never resumes TLS on data, so requiring it is no default. It ignores the PASV address."""
    for make in (ftplib.FTP, lambda **more: ftplib.FTP_TLS(context=alone.tls_context(), **more)):
        with contextlib.closing(make(timeout=10)) as ftp:
            ftp.connect(alone.host, alone.port())
            ftp.login("lansurvey", alone.cluster.passwords["lansurvey"])
            if isinstance(ftp, ftplib.FTP_TLS):
                ftp.prot_p()
            ftp.af = socket.AF_INET
            assert ftp.storbinary("STOR lib.bin", io.BytesIO(BINARY)).startswith("226 Transfer complete.")
            back = io.BytesIO()
            assert ftp.retrbinary("RETR lib.bin", back.write).startswith("226")
            assert back.getvalue() == BINARY
            assert "lib.bin" in ftp.nlst()
            assert ("lib.bin", str(len(BINARY))) in [(name, facts.get("size")) for name, facts in ftp.mlsd()]
            ftp.quit()


def test_dotnet_turns_utf8_on_and_active_data_comes_from_the_address_it_dialled(alone):
    """6. .NET FtpWebRequest: `OPTS utf8 on` is 2xx; active data comes from the address it dialled."""
    with alone.connect() as client:
        client.start_tls(alone.tls_context())
        client.login("station", alone.cluster.passwords["station"])
        for command in ("PBSZ 0", "PROT P", "OPTS utf8 on", "PWD", "TYPE I"):
            assert client.ask(command).startswith("2"), command
        with client.data(client.context) as data:
            assert client.ask("STOR dotnet.rnx")[:3] in {"125", "150"}
            data.sendall(BINARY)
            data.unwrap()
        assert client.reply().startswith("226")
    with alone.client() as client, socket.create_server((client.socket.getsockname()[0], 0)) as server:
        host, port = server.getsockname()
        assert client.ask(f"PORT {host.replace('.', ',')},{port >> 8},{port & 255}").startswith("200")
        client.send(b"RETR dotnet.rnx\r\n")
        data, came_from = server.accept()
        with data, data.makefile("rb") as content:
            assert came_from[0] == client.socket.getpeername()[0]
            assert content.read() == BINARY
        assert [client.reply()[:3], client.reply()[:3]] == ["150", "226"]


def test_winscp_introduces_itself_and_its_keep_alives_spoil_no_upload(alone):
    """7. WinSCP: HOST, CLNT, `OPTS REST STOR`; keep-alives PWD / REST 0 / TYPE A / TYPE I."""
    with alone.connect() as client:
        assert client.ask(f"HOST {alone.host}").startswith("220")
        assert client.ask("CLNT WinSCP-release-6.3").startswith("200")
        client.login("station", alone.cluster.passwords["station"])
        assert client.ask("FEAT").startswith("211")
        assert client.ask("CLNT WinSCP-release-6.3").startswith("200")
        assert client.ask("OPTS UTF8 ON").startswith("200")
        assert client.ask("OPTS MLST type;size;modify;perm;").startswith("200")
        assert client.ask("OPTS REST STOR").startswith("501")
        assert client.ask("TYPE I").startswith("200")
        for command in ("PWD", "REST 0", "TYPE A"):
            assert client.ask(command)[0] in "23"
        assert client.store("winscp.rnx", BINARY).startswith("226")
        assert client.ask("MDTM 20240229120000 winscp.rnx").startswith("2")
        assert client.ask("MDTM winscp.rnx") == "213 20240229120000"
    assert (alone.root / "Station/winscp.rnx").read_bytes() == BINARY


@pytest.mark.parametrize("before", [(), ("TYPE A",), ("TYPE I", "TYPE A N")])
def test_an_upload_without_type_i_arrives_byte_for_byte(alone, station, before):
    """8. No TYPE sent: binary survives byte for byte."""
    for command in before:
        assert station.ask(command).startswith("200")
    assert station.store("untyped.rnx", BINARY).startswith("226")
    assert (alone.root / "Station/untyped.rnx").read_bytes() == BINARY
    assert station.fetch("untyped.rnx")[0] == BINARY


def test_trimble_writes_backslashes_and_its_short_fields_suffice(alone, station):
    r"""9. Trimble Alloy: `\Data_Files\Trimble\` works. Limits: user 12, password 15, directory 60 characters."""
    assert station.ask("MKD \\Data_Files").startswith("257")
    assert station.ask("MKD \\Data_Files\\Trimble\\").startswith("257")
    assert station.ask("CWD \\Data_Files\\Trimble\\").startswith('250 "/Data_Files/Trimble"')
    assert station.store("\\Data_Files\\Trimble\\a.T02", b"12").startswith("226")
    assert station.store("b.T02", b"12").startswith("226")
    assert (alone.root / "Station/Data_Files/Trimble/a.T02").read_bytes() == b"12"
    assert station.fetch("", "NLST")[0] == b"a.T02\r\nb.T02\r\n"
    longest = "\\Data_Files\\" + "x" * 47 + "\\"
    assert len(longest) == 60
    assert max(map(len, alone.cluster.settings.accounts)) <= 12
    assert station.ask(f"MKD {longest}").startswith("257")
    assert station.ask(f"CWD {longest}").startswith("250")


def test_without_backslash_paths_a_backslash_is_a_letter_of_the_name(old):
    r"""9. The account's setting `backslash_paths: false`."""
    with old.client() as client:
        assert client.store("a\\b.rnx", b"12").startswith("226")
        assert client.fetch("", "NLST")[0] == b"a\\b.rnx\r\n"


def test_septentrio_makes_directories_again_and_sends_its_files_again(alone, station):
    """10. Septentrio creates directories and retries its last files: both are harmless."""
    for _ in range(2):
        station.ask("CWD /")
        for folder in ("26", "26308"):
            made = station.ask(f"MKD {folder}")
            assert made.startswith(("257", "550")), made
            assert station.ask(f"CWD {folder}").startswith("250")
        assert station.store("sept308a.26_", BINARY).startswith("226")
    assert station.ask("MKD /26").startswith("550")
    assert station.ask("XMKD /26").startswith("550")
    assert station.fetch("/26/26308", "NLST")[0] == b"sept308a.26_\r\n"
    assert (alone.root / "Station/26/26308/sept308a.26_").read_bytes() == BINARY


def test_spectra_deletes_after_the_226_so_there_is_none_for_what_is_not_kept(pair):
    """11. Spectra can delete after transfer: a false 226 loses data."""
    node, replicator = pair
    with node.client() as client:
        replicator.behave(refuse(Reason.TOO_FEW_COPIES))
        assert client.store("G0308A26.RAW", BINARY).startswith("451")
        replicator.behave()
        with client.data() as data:
            assert client.ask("STOR G0308A26.RAW")[:3] in {"125", "150"}
            data.sendall(BINARY[:5000])
            reset(data)
        assert client.reply().startswith("426")
        assert client.ask("SIZE G0308A26.RAW").startswith("550")
        assert client.store("G0308A26.RAW", BINARY).startswith("226")
    assert (node.root / "Station/G0308A26.RAW").read_bytes() == BINARY


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


def test_busybox_ftpput_uploads(alone, file):
    """Receivers on embedded Linux: passive, and nothing but the bare commands."""
    password = alone.cluster.passwords["station"]
    login = ("-u", "station", "-p", password, "-P", str(alone.port()), alone.host)
    run("busybox", "ftpput", *login, "busybox.rnx", file)
    assert (alone.root / "Station/busybox.rnx").read_bytes() == BINARY
    back = file.with_name("back.rnx")
    run("busybox", "ftpget", *login, back, "busybox.rnx")
    assert back.read_bytes() == BINARY


def test_tnftp_uploads_lists_and_renames(alone, file):
    """The client of the BSDs."""
    password = alone.cluster.passwords["station"]
    script = (
        f"open {alone.host} {alone.port()}\nuser station {password}\nbinary\nmkdir tnftp\ncd tnftp\n"
        f"put {file} tn.rnx\nrename tn.rnx done.rnx\nls\nmodtime done.rnx\nsize done.rnx\nbye\n"
    )
    said = run("tnftp", "-n", "-v", given=script)
    assert "done.rnx" in said
    assert (alone.root / "Station/tnftp/done.rnx").read_bytes() == BINARY


def test_ncftp_makes_the_directory_and_uploads_into_it(alone, file):
    """NcFTP: SIZE, MDTM, and a directory made on the way."""
    password = alone.cluster.passwords["station"]
    login = ("-u", "station", "-p", password, "-P", str(alone.port()))
    run("ncftpput", *login, "-V", "-m", alone.host, "ncftp/2026", file)
    assert (alone.root / "Station/ncftp/2026/up.rnx").read_bytes() == BINARY
    said = run("ncftpls", *login, f"ftp://{alone.host}/ncftp/2026/")
    assert "up.rnx" in said
