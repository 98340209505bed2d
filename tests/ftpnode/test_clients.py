"""Small talk, folders and downloads of one session, as clients go about them; the checklist is a file of its own."""

import pytest


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


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("OPTS MLST type;size;", "200"),
        ("MODE Z", "504"),
        ("STRU F", "200"),
        ("TYPE L 8", "200"),
        ("TYPE E", "504"),
        ("SYST", "215"),
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
