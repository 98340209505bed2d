"""Logins, limits, pipelining, TLS, PROXY headers and drain, seen from the wire."""

import random
import socket

import pytest

from cluster.clock import monotonic_s, now_s
from cluster.proxy_header import ProxyHeader, encode
from cluster.session_token import make_token
from tests.ftpnode.raw_client import reset
from tests.ftpnode.running import running
from tests.kit.balancer_header import signed
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until


def header(address="198.51.100.7", *, tls=False, session="abc123"):
    return encode(ProxyHeader(source=(address, 5000), destination=("198.51.100.1", 21), tls=tls, session=session))


def balanced(node, site="ingest", *, before=None, **more):
    vip = node.cluster.settings.balancer.source_addresses[0]
    return node.connect(site, source=vip, before=signed(node.cluster, header() if before is None else before), **more)


# --- logins


def test_an_account_of_another_site_is_unknown(alone):
    with alone.connect("public") as client:
        client.ask("USER station")
        assert client.ask(f"PASS {alone.cluster.passwords['station']}").startswith("530")


def test_after_three_wrong_passwords_the_session_ends(alone):
    with alone.connect() as client:
        for _ in range(3):
            client.ask("USER station")
            assert client.ask("PASS wrong").startswith("530")
        assert client.reply() == ""


def test_passwords_that_are_not_utf_8_or_odd_are_only_wrong(alone):
    with alone.connect() as client:
        for password in (b"\xff\xfe", b"\x00"):
            client.send(b"USER station\r\nPASS " + password + b"\r\n")
            assert [client.reply()[:3], client.reply()[:3]] == ["331", "530"]


def test_pass_before_user_and_commands_before_the_login_are_refused(alone):
    with alone.connect() as client:
        assert client.ask("PASS x").startswith("503")
        for command in ("STOR x", "LIST", "CWD /", "PASV", "REST 0", "MKD x", "RETR x", "PORT 127,0,0,1,20,20"):
            assert client.ask(command).startswith("530"), command
        assert client.ask("OPTS UTF8 ON").startswith("200")
        assert client.ask("FEAT").startswith("211")


@pytest.mark.slow
def test_a_failed_login_is_answered_late(tmp_path):
    cluster = write_cluster(tmp_path, nodes=1, replication="none", limits={"login_delay_s": 0.5})
    with running(cluster) as node, node.connect() as client, node.connect() as other:
        client.ask("USER nobody")
        started = monotonic_s()
        client.send(b"PASS x\r\n")
        assert other.ask("NOOP").startswith("200")
        assert client.reply().startswith("530")
        assert monotonic_s() - started >= 0.5


def test_user_again_ends_the_login(alone):
    with alone.client() as client:
        assert client.ask("USER station").startswith("331")
        assert client.ask("PWD").startswith("530")


# --- TLS


def test_an_account_that_needs_tls_is_refused_in_clear_whatever_its_password(alone):
    with alone.connect() as client:
        client.ask("USER servicedesk")
        right = client.ask(f"PASS {alone.cluster.passwords['servicedesk']}")
        client.ask("USER servicedesk")
        wrong = client.ask("PASS wrong")
    assert right == wrong
    assert right.startswith("530")


def test_an_account_that_needs_tls_needs_it_for_data_too(alone):
    with alone.connect() as client:
        client.start_tls(alone.tls_context()).login("servicedesk", alone.cluster.passwords["servicedesk"])
        for command in ("LIST", "STOR x", "RETR x", "MLSD", "NLST", "APPE x", "STOU"):
            assert client.ask(command).startswith("521"), command
        assert [client.ask("PBSZ 0")[:3], client.ask("PROT P")[:3]] == ["200", "200"]
        assert client.ask("PASV").startswith("227")


def test_a_name_given_in_clear_does_not_count_under_tls(alone):
    with alone.connect() as client:
        client.ask("USER station")
        client.start_tls(alone.tls_context())
        assert client.ask(f"PASS {alone.cluster.passwords['station']}").startswith("503")


def test_prot_needs_tls_and_pbsz(alone):
    with alone.client() as client:
        assert client.ask("PBSZ 0").startswith("503")
        assert client.ask("PROT P").startswith("503")


# --- lines


def test_a_last_reply_survives_what_the_client_still_sends(alone):
    with alone.client() as client:
        client.send(b"QUIT\r\n")
        for _ in range(20):
            client.send(b"NOOP\r\n" * 100)
        assert client.reply().startswith("221")
        assert client.reply() == ""


def test_too_many_waiting_commands_end_the_session(alone):
    with alone.connect() as client:
        client.send(b"USER nobody\r\nPASS x\r\n" + b"NOOP\r\n" * 500)
        replies = []
        while reply := client.reply():
            replies.append(reply[:3])
    assert replies == ["331", "421"]


def test_replies_cannot_be_forged_by_what_the_client_writes(alone):
    with alone.connect() as client:
        client.send(b"x\x1b[2J\x00\ry\xff z\r\n")
        assert client.reply() == '500 Command "x?[2J??y?" not understood.'


NOISE = (
    *(b"USER station", b"PASS x", b"AUTH TLS", b"PASV", b"EPSV", b"PORT 127,0,0,1,255,1", b"STOR x", b"ABOR"),
    *(b"LIST", b"RETR x", b"QUIT", b"REIN", b"\xff\xf4\xf2", b"\0", b"\r", b"\n", b" ", b"\x16\x03\x01\x02\x00"),
)


@pytest.mark.slow
def test_garbage_of_any_kind_harms_nobody(alone):
    """Seeded noise before and after the login, ended by FIN or RST; `running` fails on any traceback in the log."""
    chance = random.Random(5)
    until(lambda: alone.health()["sessions"] == 0, "no sessions")
    for number in range(30):
        noise = b"".join(
            chance.choice(NOISE) + chance.choice([b"\r\n", b"\n", b""]) for _ in range(chance.randrange(12))
        )
        client = alone.client() if number % 6 == 0 else alone.connect()
        client.send(noise)
        if chance.random() < 0.5:
            reset(client.socket)
        client.close()
    until(lambda: alone.health()["sessions"] == 0, "every session has ended")
    assert alone.health()["transfers"] == 0
    with alone.client() as client:
        assert client.store("after.rnx", b"1").startswith("226")


# --- limits


def test_sessions_per_address_are_bounded_and_released(alone):
    most = alone.cluster.settings.limits.sessions_per_address
    until(lambda: alone.health()["sessions"] == 0, "no sessions")
    clients = [alone.connect(source="127.0.0.77") for _ in range(most)]
    with alone.connect(source="127.0.0.77") as one_more:
        assert one_more.greeting.startswith("421")
    with alone.connect(source="127.0.0.78") as stranger:
        assert stranger.greeting.startswith("220")
    for client in clients:
        client.close()
    until(lambda: alone.health()["sessions"] == 0, "sessions are released")
    with alone.connect(source="127.0.0.77") as again:
        assert again.greeting.startswith("220")


# --- PROXY headers and session tokens


def test_a_balancer_is_greeted_after_its_header_however_it_is_cut(alone):
    vip = alone.cluster.settings.balancer.source_addresses[0]
    with alone.connect(source=vip, before=b"", greeting=False) as client:
        for byte in signed(alone.cluster, header()):
            client.send(bytes([byte]))
        assert client.reply().startswith("220")
        client.login("station", alone.cluster.passwords["station"])
    login = alone.events("login")[-1]
    assert (login["client"], login["session"]) == ("198.51.100.7", "abc123")


def test_a_local_header_is_the_balancer_itself(alone):
    with balanced(alone, before=encode(ProxyHeader(source=None, destination=None))) as client:
        assert client.greeting.startswith("220")


def token_for(node, account, site="ingest", *, key=None, at_s=None):
    key = node.cluster.settings.cluster.token_key.read_bytes() if key is None else key
    return make_token(key, site, account, now_s() if at_s is None else at_s, "00ff")


def test_a_balancer_logs_in_by_a_token_and_nobody_else_does(alone):
    token = token_for(alone, "station")
    with balanced(alone) as client:
        client.login("station", token)
    with alone.connect() as client:
        client.ask("USER station")
        assert client.ask(f"PASS {token}").startswith("530")


@pytest.mark.parametrize("wrong", ["account", "site", "key", "age"])
def test_a_token_for_something_else_is_refused(alone, wrong):
    token = {
        "account": token_for(alone, "lansurvey"),
        "site": token_for(alone, "station", "public"),
        "key": token_for(alone, "station", key=b"x" * 32),
        "age": token_for(alone, "station", at_s=now_s() - 1000),
    }[wrong]
    with balanced(alone) as client:
        client.ask("USER station")
        assert client.ask(f"PASS {token}").startswith("530")


def test_anonymous_may_be_replayed_by_a_token_too(alone):
    with balanced(alone, "public") as client:
        client.login("anonymous", token_for(alone, "anonymous", "public"))
    with balanced(alone, "public") as client:
        client.login("ftp", token_for(alone, "ftp", "public"))


def test_tls_at_the_balancer_counts_for_an_account_that_needs_it_and_the_back_leg_is_clear(alone):
    with balanced(alone, before=header(tls=True)) as client:
        client.login("servicedesk", alone.cluster.passwords["servicedesk"])
        client.socket.settimeout(5)
        port = client.passive_port()
        vip = alone.cluster.settings.balancer.source_addresses[0]
        with socket.create_connection((alone.host, port), source_address=(vip, 0)) as data:
            assert client.ask("NLST").startswith("125")
            assert b"Station" in data.makefile("rb").read()
        assert client.reply().startswith("226")
    with balanced(alone, before=header(tls=False)) as client:
        client.ask("USER servicedesk")
        assert client.ask(f"PASS {alone.cluster.passwords['servicedesk']}").startswith("530")


# --- drain


@pytest.mark.slow
def test_a_drained_node_lets_nobody_in_finishes_what_runs_and_stays_drained_over_a_restart(tmp_path):
    cluster = write_cluster(tmp_path, nodes=1, replication="none")
    with running(cluster) as node:
        with node.client() as client, client.data() as data:
            assert client.ask("STOR running.rnx").startswith("125")
            data.sendall(b"first half,")
            assert node.act("drain") == 200
            assert node.health()["state"] == "draining"
            with node.connect() as late:
                assert late.greeting.startswith("421")
            with balanced(node, before=encode(ProxyHeader(source=None, destination=None))) as probe:
                assert probe.greeting.startswith("220")  # so that it hears of the drain
            assert node.health()["sessions"] == 1
            data.sendall(b"second half")
            data.close()
            assert client.reply().startswith("226")
            assert client.store("another.rnx", b"x").startswith("226")
        node.stop()
        node.start()
        assert until(node.health, "health")["state"] in {"draining", "failed"}
        with node.connect() as late:
            assert late.greeting.startswith("421")
        assert node.act("enable") == 200
        until(lambda: node.health()["state"] == "ready", "ready")
        with node.client() as client:
            assert client.ask("NOOP").startswith("200")


@pytest.mark.slow
def test_a_drain_may_have_a_deadline_which_the_health_document_counts_down(tmp_path):
    cluster = write_cluster(tmp_path, nodes=1, replication="none")
    with running(cluster) as node:
        assert node.act("drain?deadline_s=50") == 200
        assert 0 < node.health()["drain_left_s"] <= 50
        for nonsense in ("soon", "-1", "nan", "1e9"):
            assert node.act(f"drain?deadline_s={nonsense}") == 400
        assert node.act("drain?deadline_s=0") == 200
        assert node.health()["drain_left_s"] == 0
        assert node.act("enable") == 200
        assert node.health()["drain_left_s"] is None


def test_an_action_needs_the_clusters_token(alone):
    assert alone.act("drain", token="guess") == 403
    assert alone.health()["state"] == "ready"


@pytest.mark.slow
def test_an_idle_session_is_told_so(tmp_path):
    cluster = write_cluster(tmp_path, nodes=1, replication="none", limits={"idle_timeout_s": 0.5})
    with running(cluster) as node, node.client() as client:
        assert client.reply().startswith("421")
        assert client.reply() == ""
