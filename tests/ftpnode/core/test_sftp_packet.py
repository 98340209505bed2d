"""SFTP packets: every request is read, and no bytes of a stranger do harm."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpnode.core import sftp_answer
from ftpnode.core import sftp_packet as packet
from ftpnode.core.listing import Entry
from ftpnode.core.sftp_packet import Attributes, BadPacketError, Flag, PacketReader


def string(content):
    return struct.pack(">I", len(content)) + content


def number(*values):
    return struct.pack(f">{len(values)}I", *values)


def long(value):
    return struct.pack(">Q", value)


NOTHING = Attributes()
ALL = number(0xF) + long(7) + number(1, 2, 0o644, 5, 6)
REQUESTS = [
    (3, string(b"a") + number(0x1A) + number(0), packet.Open("a", Flag(0x1A), NOTHING)),
    (3, string(b"a") + number(0x2) + ALL, packet.Open("a", Flag.WRITE, Attributes(7, 6))),
    (4, string(b"h"), packet.Close(b"h")),
    (5, string(b"h") + long(1 << 40) + number(9), packet.Read(b"h", 1 << 40, 9)),
    (6, string(b"h") + long(3) + string(b"data"), packet.Write(b"h", 3, memoryview(b"data"))),
    (7, string("ö".encode()), packet.Stat("ö")),
    (8, string(b"h"), packet.FStat(b"h")),
    (9, string(b"a") + number(8, 5, 6), packet.SetStat("a", Attributes(None, 6))),
    (10, string(b"h") + number(1) + long(4), packet.FSetStat(b"h", Attributes(4))),
    (11, string(b"a"), packet.OpenDir("a")),
    (12, string(b"h"), packet.ReadDir(b"h")),
    (13, string(b"a"), packet.Remove("a")),
    (14, string(b"a") + number(0), packet.MkDir("a")),
    (15, string(b"a"), packet.RmDir("a")),
    (16, string(b""), packet.RealPath("")),
    (17, string(b"a"), packet.Stat("a")),
    (18, string(b"a") + string(b"b"), packet.Rename("a", "b", replace=False)),
    (19, string(b"a"), packet.Link()),
    (20, string(b"a") + string(b"b"), packet.Link()),
    (200, string(b"posix-rename@openssh.com") + string(b"a") + string(b"b"), packet.Rename("a", "b", replace=True)),
    (200, string(b"limits@openssh.com"), packet.AskLimits()),
    (200, string(b"check-file"), packet.Unknown()),
    (99, b"", packet.Unknown()),
]


@pytest.mark.parametrize(("kind", "fields", "wanted"), REQUESTS)
def test_every_request_is_read_and_its_every_beginning_is_garbled(kind, fields, wanted):
    whole = bytes([kind]) + number(77) + fields
    assert packet.read_request(memoryview(whole), "utf-8") == (77, wanted)
    if isinstance(wanted, packet.Unknown | packet.Link | packet.MkDir):
        return  # what of it is not needed is not looked at
    for length in range(5, len(whole)):
        assert packet.read_request(memoryview(whole[:length]), "utf-8") == (77, packet.Garbled())


def test_names_are_latin1_or_utf8_and_broken_utf8_is_no_path():
    raw = memoryview(b"\x11" + number(1) + string(b"K\xf6ln"))
    assert packet.read_request(raw, "latin-1") == (1, packet.Stat("Köln"))
    assert packet.read_request(raw, "utf-8") == (1, packet.Stat("K\udcf6ln"))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_bad_packet(content):
    try:
        packet.read_request(memoryview(content), "utf-8")
    except BadPacketError:
        assert len(content) < 5


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.data())
def test_a_stream_is_cut_into_its_packets_wherever_it_is_broken(packets, data):
    stream = b"".join(string(each) for each in packets)
    reader, found, at = PacketReader(), [], 0
    while at < len(stream):
        step = data.draw(st.integers(1, len(stream) - at))
        found += reader.feed(stream[at : at + step])
        at += step
    assert [bytes(each) for each in found] == packets


@pytest.mark.parametrize("length", [0, packet.PACKET_LIMIT_BYTES + 1, 0xFFFFFFFF])
def test_a_packet_of_an_absurd_length_is_refused_before_it_is_read(length):
    with pytest.raises(BadPacketError):
        PacketReader().feed(number(length))


def test_the_answers_are_packets_of_their_length():
    entry = Entry("ö€", is_directory=False, size_bytes=5, mtime_s=-3.0)
    answers = [
        sftp_answer.version(),
        sftp_answer.status(1, 4, "no"),
        sftp_answer.handle(1, b"h"),
        sftp_answer.data(1, b"content"),
        sftp_answer.attrs(1, entry),
        sftp_answer.names(1, [entry, entry], 0.0, "latin-1"),
        sftp_answer.real_path(1, "/ö", "latin-1"),
        sftp_answer.limits(1, 64),
    ]
    for answer in answers:
        assert int.from_bytes(answer[:4]) == len(answer) - 4
    assert sftp_answer.names(1, [entry], 0.0, "latin-1").count(b"\xf6?") == 2
    assert sftp_answer.names(1, [entry], 0.0, "utf-8").count("ö€".encode()) == 2
