"""The lines of the classic logs, as the tools that read them expect them."""

import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpnode.core.log_lines import CommandDone, TransferDone, w3c_header, w3c_line, xferlog_line

AT = datetime.datetime(2026, 3, 5, 4, 7, 9, tzinfo=datetime.UTC)
COMMAND = CommandDone(
    at=AT,
    client="192.0.2.7",
    account="station",
    server="192.0.2.1",
    port=21,
    command="STOR",
    argument="/Rinex/a b.rnx",
    reply_code="226",
    sent_bytes=0,
    received_bytes=1234,
    seconds=0.0427,
    session="a1b2",
)
TRANSFER = TransferDone(
    at=AT,
    seconds=1.6,
    client="192.0.2.7",
    moved_bytes=1234,
    path="/Station/a b.rnx",
    is_upload=True,
    account="station",
    is_anonymous=False,
    is_complete=True,
)
WIRE_TEXTS = st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")) | st.text()
"""What a client may send, as `ftpnode.core.line` reads it."""


def test_a_w3c_line_has_the_fields_its_header_names():
    line = w3c_line(COMMAND)
    assert line == ("2026-03-05 04:07:09 192.0.2.7 station 192.0.2.1 21 STOR /Rinex/a+b.rnx 226 0 1234 43 a1b2\n")
    header = w3c_header(AT).splitlines()
    assert header[2] == "#Date: 2026-03-05 04:07:09"
    assert len(header[3].split()) - 1 == len(line.split())


@pytest.mark.parametrize(
    ("change", "ending"),
    [
        ({}, "1234 /Station/a_b.rnx b _ i r station ftp 0 * c\n"),
        ({"is_upload": False, "is_complete": False}, "1234 /Station/a_b.rnx b _ o r station ftp 0 * i\n"),
        ({"is_anonymous": True, "account": "anonymous"}, "1234 /Station/a_b.rnx b _ i a anonymous ftp 0 * c\n"),
    ],
)
def test_an_xferlog_line_is_as_wu_ftpd_defined_it(change, ending):
    line = xferlog_line(msgspec.structs.replace(TRANSFER, **change))
    assert line == f"Thu Mar  5 04:07:09 2026 2 192.0.2.7 {ending}"


@given(WIRE_TEXTS, WIRE_TEXTS)
def test_no_name_forges_a_line_or_a_field(account, name):
    command = msgspec.structs.replace(COMMAND, account=account, argument=name, command=name or "NOOP")
    transfer = msgspec.structs.replace(TRANSFER, account=account, path=f"/{name}")
    for line, plain in ((w3c_line(command), w3c_line(COMMAND)), (xferlog_line(transfer), xferlog_line(TRANSFER))):
        assert len(line.split()) == len(plain.split())
        assert line.splitlines() == [line[:-1]]


def test_a_name_that_is_not_utf_8_is_escaped_byte_by_byte():
    assert " /%FF%0A.rnx " in w3c_line(msgspec.structs.replace(COMMAND, argument="/\udcff\n.rnx"))
