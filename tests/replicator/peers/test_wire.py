"""The peer wire reads any bytes: a message, or an error that ends the connection and nothing else."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.peers.connection import LOST
from replicator.peers.wire import Commit, Entry, Hello, Index, Ping, Pong, Prepare, Span, Want, decode, encode
from tests.kit.replica import remote_head

ENTRIES = (Entry("d/x", (remote_head(b"x", sequence=3),)),)
MESSAGES = (
    Hello(cluster="test", node="there", incarnation="1", protocol=1, joined_ns=5),
    Index(entries=ENTRIES, upto=9, complete=True),
    Prepare(number=1, path="d/x", content_id="0" * 64, size_bytes=1, data=b"x"),
    Commit(number=2, entries=ENTRIES),
    Want(number=3, content_id="0" * 64, spans=(Span(0, 1),)),
    Ping(),
    Pong(now_ns=7),
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_read_as_it_was_said(message):
    assert decode(encode(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@given(position=st.integers(0, 400), byte=st.integers(0, 255), cut=st.integers(0, 400))
def test_a_message_with_another_byte_in_it_is_one_or_ends_the_connection(message, position, byte, cut):
    data = bytearray(encode(message))
    data[position % len(data)] = byte
    for twisted in (bytes(data), bytes(data[: cut % len(data)])):
        try:
            decode(twisted)
        except LOST:
            continue


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_end_the_connection(data):
    try:
        decode(data)
    except LOST:
        return


def test_a_text_that_is_not_utf8_ends_the_connection_not_the_program():
    data = encode(MESSAGES[0]).replace(b"there", b"the\xffe")
    with pytest.raises(msgspec.MsgspecError, match="UTF-8"):
        decode(data)
