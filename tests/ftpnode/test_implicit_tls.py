"""Implicit FTPS: TLS from the client's first byte, for the control connection and, unasked, for data."""

import io
import socket
import ssl

import pytest

from tests.ftpnode.raw_client import RawClient
from tests.ftpnode.running import running
from tests.kit.balancer_header import balancer_header
from tests.kit.clients import ImplicitFtps
from tests.kit.cluster_folder import rewritten, write_cluster
from tests.kit.programs import run
from tests.kit.wait import until

PORT = 2990
CONTENT = bytes(range(256)) * 400 + b"\r\n\n\r"
LIMITS = {"login_timeout_s": 2.0, "sessions_per_address": 6, "publish_timeout_s": 1.5}


def open_implicit(document):
    document["sites"]["ingest"]["implicit_port"] = PORT


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    cluster = write_cluster(tmp_path_factory.mktemp("implicit"), nodes=1, replication="none", limits=LIMITS)
    with running(rewritten(cluster, open_implicit)) as node:
        (node.root / "Station").mkdir(exist_ok=True)
        yield node


def implicit(node, **more):
    return RawClient(node.host, PORT, implicit_tls=node.tls_context(), **more)


def logged_in(node, account="servicedesk"):
    return implicit(node).login(account, node.cluster.passwords[account])


def test_the_greeting_comes_under_tls_and_what_is_said_of_tls_fits(node):
    with implicit(node) as client:
        assert client.greeting.startswith("220 ")
        for command, code in (
            ("AUTH TLS", "503"),
            ("PBSZ 0", "200"),
            ("PROT P", "200"),
            ("CCC", "534"),
            ("FEAT", "211"),
            ("PROT S", "536"),
        ):
            assert client.ask(command).startswith(code), command
        client.login("station", node.cluster.passwords["station"])
        assert client.ask("NOOP").startswith("200")


def test_data_is_private_without_pbsz_and_prot(node):
    with logged_in(node) as client:
        with client.data(client.context) as data:
            assert client.ask("STOR Station/private.rnx").startswith("125")
            data.sendall(CONTENT)
            data.unwrap().close()
        assert client.reply().startswith("226")
        assert (node.root / "Station/private.rnx").read_bytes() == CONTENT
        assert client.ask("PROT C").startswith("200")
        assert client.ask("LIST").startswith("521"), "an account that needs TLS needs it for data too"


def test_clear_words_on_the_port_are_answered_by_nothing(node):
    with RawClient(node.host, PORT, greeting=False) as client:
        client.send(b"USER station\r\n")
        try:
            said = client.socket.recv(1000)
        except ConnectionResetError:
            said = b""
        assert b"220" not in said
        assert b"331" not in said


def test_a_client_that_says_nothing_is_closed_at_the_login_deadline(node):
    with RawClient(node.host, PORT, greeting=False) as client:
        assert client.socket.recv(1) == b""


def test_a_balancers_proxy_header_comes_before_tls_even_in_one_segment(node):
    vip = node.cluster.settings.balancer.vip
    header = balancer_header(node.cluster, "192.0.2.77", session="abc", tls=True)
    with implicit(node, source=vip, before=header) as client:
        assert client.greeting.startswith("220 ")
        client.login("servicedesk", node.cluster.passwords["servicedesk"])
        assert {one["id"]: one["client"] for one in node.document("sessions")["sessions"] if one["id"] == "abc"} == {
            "abc": "192.0.2.77"
        }


def test_one_that_is_turned_away_costs_no_handshake_and_is_counted_as_any_other(node):
    clients = [implicit(node) for _ in range(6)]
    try:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            implicit(node)
        assert node.events("session refused")[-1]["reply"].startswith("421 Too many sessions from your address")
        with node.connect() as explicit:
            assert explicit.greeting.startswith("421")
    finally:
        for client in clients:
            client.close()
    until(lambda: node.health()["sessions"] == 0, "the sessions have ended")


def test_a_handshake_that_stops_half_way_counts_until_it_ends(node):
    with socket.create_connection((node.host, PORT)) as half:
        half.sendall(b"\x16\x03\x01\x02\x00\x01")
        until(lambda: node.health()["sessions"] == 1, "the session counts")
        assert half.recv(1) == b""
    until(lambda: node.health()["sessions"] == 0, "the session has ended")


def test_ftplib_with_tls_first_uploads_and_downloads(node):
    with ImplicitFtps(context=node.tls_context()) as client:
        client.connect(node.host, PORT)
        client.login("servicedesk", node.cluster.passwords["servicedesk"])
        assert client.storbinary("STOR Station/ftplib.rnx", io.BytesIO(CONTENT)).startswith("226")
        got = io.BytesIO()
        client.retrbinary("RETR Station/ftplib.rnx", got.write)
        assert got.getvalue() == CONTENT


def test_curl_and_lftp_take_ftps_addresses(node, tmp_path):
    (tmp_path / "up.rnx").write_bytes(CONTENT)
    password, ca = node.cluster.passwords["servicedesk"], node.cluster.ca
    url = f"ftps://servicedesk:{password}@{node.host}:{PORT}/"
    run("curl", "-sS", "--cacert", ca, "-T", tmp_path / "up.rnx", f"{url}Station/curl.rnx")
    run("curl", "-sS", "--cacert", ca, "-o", tmp_path / "down.rnx", f"{url}Station/curl.rnx")
    assert (tmp_path / "down.rnx").read_bytes() == CONTENT
    script = f"set ssl:ca-file {ca}; set ssl:check-hostname no; set net:max-retries 1; "
    run("lftp", "-e", f"{script}put -O Station {tmp_path}/up.rnx; cls Station; quit", url)
    assert (node.root / "Station/up.rnx").read_bytes() == CONTENT


def test_openssl_s_client_sees_the_greeting_and_the_nodes_certificate(node):
    words = ("-connect", f"{node.host}:{PORT}", "-CAfile", node.cluster.ca, "-verify_return_error", "-ign_eof")
    said = run("openssl", "s_client", *words, given="QUIT\r\n")
    assert "Verify return code: 0 (ok)" in said
    assert "220 " in said
    assert "CN = node1" in said


def test_bytes_that_are_no_tls_end_a_connection_under_tls_and_are_no_error_of_ours(node):
    plain = socket.create_connection((node.host, PORT), timeout=10)
    with plain.dup() as raw, node.tls_context().wrap_socket(plain) as client:
        assert client.recv(1000).startswith(b"220")
        raw.sendall(b"QUIT\r\n" * 10)
        until(lambda: "TLS ended badly" in node.log_file.read_text(), "it is noticed")
    assert "Traceback" not in node.log_file.read_text()
