"""Sessions whose bytes a balancer passes through unread: the client's own in all but where their packets come from."""

import contextlib
import socket

import pytest

from cluster.clock import now_s
from cluster.proxy_header import ProxyHeader, encode
from cluster.session_token import make_token
from tests.kit.balancer_header import balancer_header, signed
from tests.kit.wait import until

CLIENT, OTHER, VIP = "198.51.100.7", "198.51.100.8", "203.0.113.10"


@pytest.fixture
def source(alone):
    return alone.cluster.settings.balancer.source_addresses[0]


def passed(alone, client=CLIENT, told=VIP, **more):
    before = balancer_header(alone.cluster, client, passive_address=told)
    return alone.connect(source=alone.cluster.settings.balancer.source_addresses[0], before=before, **more)


@pytest.fixture
def session(alone):
    with passed(alone) as client:
        yield client.login("station", alone.cluster.passwords["station"])


def data(alone, port, source, header):
    connection = socket.create_connection((alone.host, port), 10, (source, 0))
    connection.sendall(header)
    return connection


def test_pasv_tells_the_address_of_the_vip_and_the_log_the_clients(alone, session):
    reply = session.ask("PASV")
    numbers = reply.partition("(")[2].partition(")")[0].split(",")
    assert ".".join(numbers[:4]) == VIP
    assert int(numbers[4]) * 256 + int(numbers[5]) in alone.node.passive_ports.all()
    assert alone.events("login")[-1]["client"] == CLIENT


def test_at_a_vip_of_ipv6_pasv_is_refused_and_epsv_is_of_that_family(alone):
    with passed(alone, told="2001:db8::10") as client:
        client.login("station", alone.cluster.passwords["station"])
        assert client.ask("PASV").startswith("522")
        assert client.ask("EPSV 1").startswith("522")
        assert client.ask("EPSV 2").startswith("229")


def test_data_comes_with_a_header_of_the_same_client_from_the_balancer_alone(alone, source, session):
    """What is not that is dropped, however often it comes, and the port waits on for the right one."""
    port = session.passive_port()
    good = balancer_header(alone.cluster, CLIENT)
    wrong = [
        (source, balancer_header(alone.cluster, OTHER)),
        (source, b"not a header at all, but some bytes"),
        (source, signed(alone.cluster, encode(ProxyHeader(source=None, destination=None)))),
        (source, good[:-1] + bytes([good[-1] ^ 1])),
        ("127.0.0.88", good),
    ]
    for address, header in wrong * 3:
        with data(alone, port, address, header) as stranger, contextlib.suppress(ConnectionError):
            assert stranger.recv(1) == b""
    with contextlib.ExitStack() as stack:
        for _ in range(4):  # these never say all
            stack.enter_context(data(alone, port, source, good[:20]))
        with data(alone, port, source, good[:30]) as connection:
            connection.sendall(good[30:] + b"and the ")
            assert session.ask("STOR passed.rnx").startswith(("125", "150"))
            connection.sendall(b"content")
        assert session.reply().startswith("226")
    assert (alone.root / "Station/passed.rnx").read_bytes() == b"and the content"


def test_the_node_itself_ends_tls_and_data_resumes_it(alone, source):
    with passed(alone) as client:
        client.start_tls(alone.tls_context()).login("servicedesk", alone.cluster.passwords["servicedesk"])
        assert client.ask("PBSZ 0").startswith("200")
        assert client.ask("PROT P").startswith("200")
        plain = data(alone, client.passive_port(), source, balancer_header(alone.cluster, CLIENT))
        with client.context.wrap_socket(
            plain, do_handshake_on_connect=False, session=client.socket.session, server_hostname=alone.host
        ) as connection:
            assert client.ask("STOR Station/secret.rnx").startswith(("125", "150"))
            connection.do_handshake()
            assert connection.session_reused
            connection.sendall(b"under TLS")
            connection.unwrap()
        assert client.reply().startswith("226")
    assert (alone.root / "Station/secret.rnx").read_bytes() == b"under TLS"


def test_a_client_in_clear_does_not_pass_for_one_under_tls(alone):
    with passed(alone) as client:
        client.ask("USER servicedesk")
        assert client.ask(f"PASS {alone.cluster.passwords['servicedesk']}").startswith("530 This account needs TLS")


def test_a_token_of_the_balancer_is_an_ordinary_password_there(alone):
    key = alone.cluster.settings.cluster.token_key.read_bytes()
    with passed(alone) as client:
        client.ask("USER station")
        token = make_token(key, "ingest", "station", now_s(), "00")
        assert client.ask(f"PASS {token}").startswith("530")


def test_active_mode_is_refused(session):
    assert session.ask("PORT 198,51,100,7,78,32").startswith("502")
    assert session.ask(f"EPRT |1|{CLIENT}|20000|").startswith("502")
    assert session.ask("NOOP").startswith("200")


def test_the_end_of_the_session_closes_what_waits_at_its_port(alone, source):
    with passed(alone) as client:
        client.login("station", alone.cluster.passwords["station"])
        waiting = data(alone, client.passive_port(), source, balancer_header(alone.cluster, CLIENT)[:5])
        assert client.ask("QUIT").startswith("221")
    with waiting, contextlib.suppress(ConnectionError):
        assert waiting.recv(1) == b""
    until(lambda: alone.health()["sessions"] == 0, "no session is left")
