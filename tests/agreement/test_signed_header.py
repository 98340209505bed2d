"""Signed PROXY headers: what a balancer signs a node reads, and nobody without the key is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.proxy_header import FIXED_BYTES, ProxyHeader, ProxyHeaderError, body_length_bytes, encode
from cluster.signed_header import decode_signed, sign

KEY = b"k" * 32
HEADER = ProxyHeader(
    source=("192.0.2.1", 50000), destination=("192.0.2.10", 21), tls=True, session="abc123", leg_tls=True
)
NOW_S = 1_700_000_000.5


@pytest.mark.parametrize("header", [HEADER, ProxyHeader(source=None, destination=None)])
def test_what_was_signed_is_read_as_it_was(header) -> None:
    data = sign(encode(header), KEY, NOW_S)
    assert body_length_bytes(data[:FIXED_BYTES]) == len(data) - FIXED_BYTES
    assert decode_signed(data, KEY, NOW_S + 119) == header


@pytest.mark.parametrize(
    ("data", "key", "at_s", "why"),
    [
        (encode(HEADER), KEY, NOW_S, "not signed"),
        (encode(ProxyHeader(source=None, destination=None)), KEY, NOW_S, "not signed"),
        (sign(encode(HEADER), b"other", NOW_S), KEY, NOW_S, "another key"),
        (sign(encode(HEADER), KEY, NOW_S), KEY, NOW_S + 200, "another time"),
        (sign(encode(HEADER), KEY, NOW_S), KEY, NOW_S - 200, "another time"),
        (sign(sign(encode(HEADER), KEY, NOW_S), b"other", NOW_S), KEY, NOW_S, "another key"),
    ],
)
def test_what_is_not_signed_with_the_key_just_now_is_refused_and_says_why(data, key, at_s, why) -> None:
    with pytest.raises(ProxyHeaderError, match=why):
        decode_signed(data, key, at_s)


SIGNED = sign(encode(HEADER), KEY, NOW_S)


@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
def test_no_byte_of_a_signed_header_can_be_changed(position, flip) -> None:
    changed = bytearray(SIGNED)
    changed[position] ^= flip
    with pytest.raises(ProxyHeaderError):
        decode_signed(bytes(changed), KEY, NOW_S)


@given(st.binary(max_size=200))
def test_garbage_is_refused(data) -> None:
    with pytest.raises(ProxyHeaderError):
        decode_signed(data, KEY, NOW_S)
