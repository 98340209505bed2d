"""The readers of both control streams: whole, byte by byte, cut anywhere, with more behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.core.command_line import (
    MAX_LINE_BYTES,
    Command,
    CommandLineReader,
    LineTooLongError,
    parse_command,
)
from balancer.core.reply import Reply, ReplyError, ReplyReader, encode, reply

LINES = [
    (b"NOOP\r\n", ["NOOP"]),
    (b"user a\nPASS b\r\n", ["user a", "PASS b"]),
    (b"\xff\xf4\xff\xf2ABOR\r\n", ["ABOR"]),
    (b"STOR a\xff\xffb\r\n", ["STOR a\udcffb"]),
    (b"CWD \xc3\xa4\r\n", ["CWD ä"]),
    (b"\r\n", [""]),
    (b"partial", []),
]


@pytest.mark.parametrize(("data", "lines"), LINES)
def test_lines_are_the_same_whole_byte_by_byte_and_with_more_behind(data: bytes, lines: list[str]) -> None:
    assert CommandLineReader().feed(data) == lines
    slow = CommandLineReader()
    assert [line for byte in data for line in slow.feed(bytes([byte]))] == lines
    if data.endswith(b"\n"):
        more = CommandLineReader()
        assert more.feed(data + b"NO") == lines
        assert more.partial


@given(st.lists(st.binary(max_size=50).map(lambda b: b.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_do_not_depend_on_where_the_stream_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader = CommandLineReader()
    pieces = [stream[i:j] for i, j in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [line for piece in pieces for line in reader.feed(piece)] == CommandLineReader().feed(stream)


def test_a_line_above_the_limit_is_refused_with_and_without_its_end() -> None:
    with pytest.raises(LineTooLongError):
        CommandLineReader().feed(b"x" * (MAX_LINE_BYTES + 1))
    with pytest.raises(LineTooLongError):
        CommandLineReader().feed(b"x" * (MAX_LINE_BYTES + 1) + b"\r\n")
    assert CommandLineReader().feed(b"x" * (MAX_LINE_BYTES - 1) + b"\r\n")


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("stor  a b ", Command("STOR", " a b ")),
        ("NOOP", Command("NOOP")),
        ("", Command("")),
        ("a ", Command("A")),
        ("ſTOR a", Command("ſTOR", "a")),
        ("\u2003STOR a", Command("\u2003STOR", "a")),
    ],
)
def test_a_command_keeps_its_argument_as_sent(line: str, command: Command) -> None:
    assert parse_command(line) == command


REPLIES = [
    (b"220 hi\r\n", [Reply(220, ("220 hi",))]),
    (b"200\r\n", [Reply(200, ("200",))]),
    (b"211-a\r\n211-b\r\n 211 c\r\n220 d\r\n211 e\r\n", [Reply(211, ("211-a", "211-b", " 211 c", "220 d", "211 e"))]),
    (b"150 x\n226 y\n", [Reply(150, ("150 x",)), Reply(226, ("226 y",))]),
    (b"22", []),
]


@pytest.mark.parametrize(("data", "replies"), REPLIES)
def test_replies_are_the_same_whole_byte_by_byte_and_with_more_behind(data: bytes, replies: list[Reply]) -> None:
    assert ReplyReader().feed(data) == replies
    slow = ReplyReader()
    assert [answer for byte in data for answer in slow.feed(bytes([byte]))] == replies
    if data.endswith(b"\n"):
        assert ReplyReader().feed(data + b"2") == replies


@pytest.mark.parametrize(
    "data", [b"hello\r\n", b"\r\n", b"99 x\r\n", b"999 x\r\n", "²²² x\r\n".encode(), b"x" * (5 << 20)]
)
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    with pytest.raises(ReplyError):
        ReplyReader().feed(data)


@given(st.integers(100, 599), st.lists(st.text("ab 12-", max_size=10), min_size=1, max_size=4), st.integers(0, 200))
def test_our_own_replies_read_back_as_they_were(code: int, texts: list[str], cut: int) -> None:
    answer = reply(code, *texts)
    stream = encode(answer)
    reader = ReplyReader()
    assert [*reader.feed(stream[:cut]), *reader.feed(stream[cut:])] == [answer]
