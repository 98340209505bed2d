"""PROXY v2: what balancers write nodes read, and hostile bytes bring ProxyHeaderError and nothing else."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.proxy_header import (
    FIXED_BYTES,
    SIGNATURE,
    ProxyHeader,
    ProxyHeaderError,
    body_length_bytes,
    decode,
    encode,
)

ports = st.integers(0, 65535)
v4 = st.tuples(st.ip_addresses(v=4).map(str), ports)
v6 = st.tuples(st.ip_addresses(v=6).map(str), ports)
sessions = st.text("0123456789abcdef", max_size=64)


@given(st.one_of(st.tuples(v4, v4), st.tuples(v6, v6)), st.booleans(), sessions)
def test_a_header_comes_back_as_it_was(ends: tuple, tls: bool, session: str) -> None:
    header = ProxyHeader(source=ends[0], destination=ends[1], tls=tls, session=session)
    data = encode(header)
    assert decode(data) == header
    assert body_length_bytes(data[:FIXED_BYTES]) == len(data) - FIXED_BYTES


def test_a_probe_speaks_for_itself() -> None:
    header = ProxyHeader(source=None, destination=None)
    assert decode(encode(header)) == header


def test_the_bytes_are_those_of_the_specification() -> None:
    header = ProxyHeader(source=("192.0.2.1", 50000), destination=("192.0.2.10", 21))
    addresses = ipaddress.ip_address("192.0.2.1").packed + ipaddress.ip_address("192.0.2.10").packed
    assert encode(header) == SIGNATURE + b"\x21\x11\x00\x0c" + addresses + b"\xc3\x50\x00\x15"


@given(st.binary(max_size=80))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        decode(data)


@given(st.binary(max_size=600), st.integers(0, 255), st.integers(0, 255))
def test_a_hostile_body_is_read_or_refused(body: bytes, command: int, family: int) -> None:
    data = SIGNATURE + bytes([command, family]) + len(body).to_bytes(2, "big") + body
    try:
        decode(data)
    except ProxyHeaderError:
        return


def test_a_session_id_that_could_forge_a_log_line_is_refused() -> None:
    field = b"\xe0\x00\x03a\nb"
    data = SIGNATURE + b"\x20\x00" + len(field).to_bytes(2, "big") + field
    with pytest.raises(ProxyHeaderError, match="session id"):
        decode(data)
