"""Small decisions for clients: where a path begins, which host is meant, how IIS would list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.host_name import is_host_of
from ftpnode.commands.table import COMMANDS
from ftpnode.core.digests import unquoted
from ftpnode.core.line import read_latin1, read_line
from ftpnode.core.listing import Entry, msdos_line
from ftpnode.core.path_argument import split_argument


@pytest.mark.parametrize(
    ("command", "argument", "split"),
    [
        ("STOR", "a b", ("", "a b")),
        ("LIST", "-la  /a b", ("-la  ", "/a b")),
        ("LIST", "-la", ("-la", "")),
        ("MFMT", "20200101000000 a b", ("20200101000000 ", "a b")),
        ("MFF", "modify=20200101000000; a", ("modify=20200101000000; ", "a")),
        ("MDTM", "20200101000000 a", ("20200101000000 ", "a")),
        ("MDTM", "20200101000000", ("", "20200101000000")),
        ("MDTM", "day 1", ("", "day 1")),
        ("XCRC", '"a ""b"', ("", 'a "b')),
        ("SITE", "copies a b", ("copies ", "a b")),
        ("SITE", "CHMOD 644 a", ("CHMOD 644 a", "")),
        ("USER", "station", ("station", "")),
    ],
)
def test_a_path_is_found_behind_what_stands_before_it(command, argument, split):
    assert split_argument(command, argument) == split


@given(st.sampled_from(sorted({*COMMANDS} - {"XCRC", "XMD5", "XSHA256"})), st.text())
def test_nothing_of_an_argument_with_a_path_is_lost(command, argument):
    before, path = split_argument(command, argument)
    assert before + path == argument or not path


@given(st.text())
def test_quotes_around_a_path_say_the_path(path):
    assert unquoted('"' + path.replace('"', '""') + '"') == path


@given(st.binary().filter(lambda name: b"\n" not in name and not name.endswith(b"\r")))
def test_every_latin_1_name_is_another_name(name):
    line = read_latin1(read_line(b"STOR " + name))
    assert line.argument.encode("latin-1") == name


@pytest.mark.parametrize(
    ("names", "written", "known"),
    [
        ((), "192.0.2.1", True),
        ((), "[192.0.2.1]", True),
        ((), "192.0.2.2", False),
        ((), "ftp.example.org", False),
        (("FTP.Example.org",), "ftp.example.ORG.", True),
        (("*",), "anything", True),
        (("*",), " ", False),
    ],
)
def test_a_host_is_known_by_its_names_or_its_address(names, written, known):
    assert is_host_of(names, written, "192.0.2.1") is known


@pytest.mark.parametrize(
    ("mtime_s", "start"),
    [(0.0, "01-01-70  12:00AM"), (43_200.0, "01-01-70  12:00PM"), (-1.0, "01-01-70  12:00AM"), (1e18, "12-31-99")],
)
def test_iis_writes_hours_from_twelve_to_eleven(mtime_s, start):
    assert msdos_line(Entry("x", is_directory=False, size_bytes=1, mtime_s=mtime_s)).startswith(start)
