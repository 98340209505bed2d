"""PROXY v2: what balancers write nodes read, and hostile bytes bring ProxyHeaderError and nothing else."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.proxy_header import (
    FIXED_BYTES,
    MAX_CERTIFICATE_BYTES,
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


passive = st.one_of(st.just(""), st.ip_addresses().map(str))


@given(st.one_of(st.tuples(v4, v4), st.tuples(v6, v6)), st.booleans(), st.binary(max_size=2000), sessions, passive)
def test_a_header_comes_back_as_it_was(ends: tuple, tls: bool, certificate: bytes, session: str, told: str) -> None:
    fields = {"certificate": certificate if tls else b"", "session": session, "passive_address": told}
    header = ProxyHeader(source=ends[0], destination=ends[1], tls=tls, **fields)
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


@pytest.mark.parametrize(("size_bytes", "told"), [(MAX_CERTIFICATE_BYTES, True), (MAX_CERTIFICATE_BYTES + 1, False)])
def test_a_certificate_that_is_too_large_is_left_out(size_bytes: int, told: bool) -> None:
    header = ProxyHeader(source=None, destination=None, tls=True, certificate=b"c" * size_bytes)
    data = encode(header)
    assert body_length_bytes(data[:FIXED_BYTES]) == len(data) - FIXED_BYTES
    assert bool(decode(data).certificate) is told
    assert decode(data).tls


def test_a_certificate_counts_only_where_the_header_says_that_it_was_shown() -> None:
    value = b"\x01\x00\x00\x00\x01" + b"\x28\x00\x03der"
    field = b"\x20" + len(value).to_bytes(2, "big") + value
    assert decode(SIGNATURE + b"\x20\x00" + len(field).to_bytes(2, "big") + field).certificate == b""
