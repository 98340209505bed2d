"""What real clients send, each as its makers or users reported it."""

import ftplib
import io

import pytest


@pytest.fixture(scope="module")
def _station(alone):
    with alone.client() as client:
        yield client


@pytest.fixture
def station(_station):
    """A session that starts in its home; one login serves all tests, because a login is slow on purpose."""
    assert _station.ask("CWD /").startswith("250")
    return _station


def test_backslashes_separate_directories(alone, station):
    assert station.ask("MKD \\Trimble\\").startswith("257")
    assert station.ask("CWD \\Trimble\\").startswith('250 "/Trimble"')
    assert station.store("\\Trimble\\a.T02", b"12").startswith("226")
    assert (alone.root / "Station/Trimble/a.T02").read_bytes() == b"12"


def test_an_existing_directory_is_a_550_and_nothing_else(station):
    station.ask("MKD twice")
    station.store("twice/in.rnx", b"1")
    assert station.ask("MKD twice").startswith("550")
    assert station.ask("XMKD twice").startswith("550")
    assert station.ask("SIZE twice/in.rnx") == "213 1"


def test_a_rename_replaces_the_file_that_is_there(alone, station):
    station.store("final.rnx", b"old")
    station.store(".in.final.rnx", b"new!")
    assert station.ask("MFMT 20240229120000 .in.final.rnx").startswith("213")
    assert station.ask("RNFR .in.final.rnx").startswith("350")
    assert station.ask("RNTO final.rnx").startswith("250")
    assert (alone.root / "Station/final.rnx").read_bytes() == b"new!"
    assert station.ask("MDTM final.rnx") == "213 20240229120000"
    assert station.ask("RNTO final.rnx").startswith("503")


def test_a_directory_is_renamed_with_what_is_in_it_but_never_over_another(station):
    for command in ("MKD from", "MKD other"):
        assert station.ask(command).startswith("257")
    station.store("from/x", b"1")
    station.ask("RNFR from")
    assert station.ask("RNTO to").startswith("250")
    assert station.ask("SIZE to/x") == "213 1"
    station.ask("RNFR to")
    assert station.ask("RNTO other").startswith("550")


def test_only_an_empty_directory_is_removed(station):
    station.ask("MKD full")
    station.store("full/x", b"1")
    assert station.ask("RMD full").startswith("550")
    assert station.ask("DELE full").startswith("550")
    assert station.ask("DELE full/x").startswith("250")
    assert station.ask("RMD full").startswith("250")
    assert station.ask("RMD full").startswith("550")


def test_curl_asks_size_and_time_and_rest_0_in_ascii(station):
    station.store("head.rnx", b"12345")
    assert station.ask("TYPE A").startswith("200")
    assert station.ask("MDTM head.rnx").startswith("213 20")
    assert station.ask("SIZE head.rnx") == "213 5"
    assert station.ask("REST 0").startswith("350")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("OPTS UTF8 ON", "200"),
        ("opts utf8 on", "200"),
        ("OPTS MLST type;size;", "200"),
        ("OPTS REST STOR", "501"),
        ("MODE S ", "200"),
        ("MODE Z", "504"),
        ("STRU F", "200"),
        ("TYPE A N", "200"),
        ("TYPE L 8", "200"),
        ("TYPE E", "504"),
        ("SYST", "215"),
        ("CLNT WinSCP", "200"),
        ("HOST example.org", "503"),
        ("SITE CHMOD 644 x", "202"),
        ("SITE WHO", "504"),
        ("ALLO 1000", "202"),
        ("NOOP", "200"),
        ("STAT", "211"),
        ("HELP", "214"),
        ("", "500"),
        ("RETR", "501"),
        ("REST x", "501"),
        ("REST -1", "501"),
        ("ABOR", "226"),
        ("XPWD", "257"),
        ("XCUP", "250"),
    ],
)
def test_small_talk(station, command, code):
    assert station.ask(command).startswith(code)


@pytest.mark.parametrize("command", ["LIST -la", "LIST -la /", "LIST -a .", "NLST -la", "NLST -la /", "MLSD /", "LIST"])
def test_listing_commands_take_the_options_that_clients_write(station, command):
    station.store("listed.rnx", b"12")
    name, _, argument = command.partition(" ")
    listing, reply = station.fetch(argument, name)
    assert b"listed.rnx\r\n" in listing
    assert reply == "226 Transfer complete."


def test_a_listing_of_one_file_is_its_line_and_of_nothing_a_550(station):
    station.store("single.rnx", b"12")
    assert station.fetch("single.rnx", "NLST")[0] == b"single.rnx\r\n"
    assert station.fetch("missing", "LIST")[1].startswith("550")
    assert station.fetch("single.rnx", "MLSD")[1].startswith("501")


def test_an_empty_directory_lists_as_nothing(station):
    station.ask("MKD empty")
    assert station.fetch("empty", "LIST") == (b"", "226 Transfer complete.")


def test_mlst_tells_the_facts_that_were_asked_for(station):
    station.store("facts.rnx", b"12")
    assert station.ask("OPTS MLST size;type;").startswith("200 MLST OPTS type;size;")
    assert station.ask("MLST facts.rnx").splitlines()[1] == " type=file;size=2; /facts.rnx"
    assert "type*;size*;modify;perm;" in station.ask("FEAT")


def test_a_download_may_start_in_the_middle(station):
    station.store("long.rnx", b"0123456789")
    assert station.ask("REST 4").startswith("350")
    assert station.fetch("long.rnx")[0] == b"456789"
    assert station.fetch("long.rnx")[0] == b"0123456789"
    assert station.ask("REST 11").startswith("350")
    assert station.fetch("long.rnx") == (None, "554 The file has 10 bytes; REST asks for 11.")
    assert station.fetch("/")[1].startswith("550")


def test_a_download_that_is_aborted_is_no_226_and_no_whole_file(alone, station):
    (alone.root / "Station/big.rnx").write_bytes(b"x" * 30_000_000)
    with station.data() as data:
        assert station.ask("RETR big.rnx").startswith("125")
        assert data.recv(10)
        assert station.ask("ABOR").startswith("426")
        assert station.reply().startswith("226")
        with pytest.raises(ConnectionResetError), data.makefile("rb") as file:
            file.read()
    assert station.fetch("big.rnx")[0] == b"x" * 30_000_000


def test_the_standard_library_talks_to_us_plain_and_under_tls(alone):
    content = bytes(range(256)) * 5000
    plain, protected = ftplib.FTP(timeout=10), ftplib.FTP_TLS(timeout=10, context=alone.tls_context())
    for ftp in (plain, protected):
        ftp.connect(alone.host, alone.port())
        ftp.login("lansurvey", alone.cluster.passwords["lansurvey"])
        if ftp is protected:
            ftp.prot_p()
        assert ftp.storbinary("STOR lib.bin", io.BytesIO(content)).startswith("226 Transfer complete.")
        back = io.BytesIO()
        assert ftp.retrbinary("RETR lib.bin", back.write).startswith("226")
        assert back.getvalue() == content
        assert "lib.bin" in ftp.nlst()
        assert ("lib.bin", "1280000") in [
            (name, facts["size"]) for name, facts in ftp.mlsd() if facts["type"] == "file"
        ]
        ftp.quit()
