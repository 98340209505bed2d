"""The client checklist, what real clients and receivers do: the program where Debian has it, else its words."""

import contextlib
import ftplib
import io
import shutil
import socket

import pytest

from cluster.publish import Reason
from tests.ftpnode.fake_replicator import refuse
from tests.ftpnode.raw_client import reset
from tests.kit.programs import run
from tests.kit.wait import until

BINARY = bytes(range(256)) * 40 + b"\r\n\n\r"


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
