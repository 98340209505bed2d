"""Random bytes against the real server: cut anywhere, they harm nobody else and reach nothing outside the home."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.proxy_header import ProxyHeader, encode
from cluster.signed_header import sign
from tests.ftpnode.conftest import LIMITS
from tests.ftpnode.raw_client import RawClient, reset
from tests.ftpnode.running import running
from tests.kit.balancer_header import signed
from tests.kit.cluster_folder import write_cluster

FUZZ = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HEADER = encode(
    ProxyHeader(source=("198.51.100.9", 5000), destination=("198.51.100.1", 21), tls=False, session="abc123")
)
SIGNED_BYTES = len(sign(HEADER, b"any", 0.0))
COMMANDS = st.sampled_from(
    [b"STOR", b"RETR", b"APPE", b"STOU", b"DELE", b"MKD", b"RMD", b"RNFR", b"RNTO", b"CWD", b"LIST", b"MLST", b"SIZE",
     b"MFMT", b"MDTM", b"REST", b"PORT", b"EPRT", b"PASV", b"EPSV", b"ABOR", b"SITE", b"OPTS", b"TYPE", b"HELP"]
)  # fmt: skip
PATHS = st.sampled_from(
    [b"../Data", b"/../../etc/passwd", b"..\\x", b".tripod/x", b"a/../..", b"%s%n", b"-la", b"\0", b"|||"]
)
LINES = st.one_of(
    st.binary(max_size=80),
    st.tuples(COMMANDS, st.one_of(PATHS, st.binary(max_size=40))).map(b" ".join),
)
ENDS = st.sampled_from([b"\r\n", b"\n", b"\r", b"", b"\r\0\n"])
NOISE = st.lists(st.tuples(LINES, ENDS).map(b"".join), max_size=12).map(b"".join)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A node of these tests alone: what they happen to make under its home would mislead others."""
    cluster = write_cluster(tmp_path_factory.mktemp("fuzz"), nodes=1, replication="none", limits=LIMITS)
    with running(cluster) as node:
        yield node


def outside_the_home(node):
    """What stands beside the home, but for what the server itself keeps."""
    beside = [entry for entry in node.root.iterdir() if entry.name not in {"Station", ".tripod"}]
    return sorted(str(path) for entry in beside for path in (entry, *entry.rglob("*")))


def is_unharmed(node):
    """A new client is served as if nothing had been; `running` fails on any traceback in the log."""
    assert node.process.poll() is None
    with node.connect() as other:
        assert other.ask("NOOP").startswith("200")


@pytest.mark.slow
@pytest.mark.parametrize("logged_in", [False, True])
@FUZZ
@given(noise=NOISE, cut=st.integers(0, 400), rude=st.booleans())
def test_commands_cut_anywhere_harm_nobody_and_stay_in_the_home(alone, logged_in, noise, cut, rude):
    before = outside_the_home(alone)
    client = alone.client() if logged_in else alone.connect()
    with client:
        try:
            client.send(noise[:cut])
            client.send(noise[cut:])
        except ConnectionError:
            rude = True  # it has closed meanwhile, as it may
        if rude:
            reset(client.socket)
    is_unharmed(alone)
    assert outside_the_home(alone) == before


@pytest.mark.slow
@FUZZ
@given(
    flips=st.lists(st.tuples(st.integers(0, SIGNED_BYTES - 1), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, SIGNED_BYTES),
    tail=NOISE,
)
def test_a_spoilt_proxy_header_harms_nobody(alone, flips, cut, tail):
    header = signed(alone.cluster, HEADER)
    assert len(header) == SIGNED_BYTES
    spoilt = bytearray(header)
    for position, value in flips:
        spoilt[position] = value
    vip = alone.cluster.settings.balancer.source_addresses[0]
    with RawClient(alone.host, alone.port(), source=vip, greeting=False) as client:
        try:
            client.send(bytes(spoilt[:cut]))
            client.send(bytes(spoilt[cut:]) + tail)
        except ConnectionError:
            assert spoilt != header
        reset(client.socket)
    is_unharmed(alone)
