"""The security checklist of ftpnode, statements 1 to 12: logins, TLS, lines and logs; the file beside has the rest."""

import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from cluster.clock import monotonic_s
from tests.kit.wait import until

ARGON2_KB = 65536


def logged_in_under_tls(node, account, context):
    client = node.connect("public" if account == "anonymous" else "ingest").start_tls(context)
    client.login(account, node.cluster.passwords.get(account, ""))
    assert [client.ask("PBSZ 0")[:3], client.ask("PROT P")[:3]] == ["200", "200"]
    return client


@pytest.mark.parametrize("tail", [b"USER station\r\n", b"USER stat", b"\r\n", b"NOOP\n"])
def test_bytes_after_auth_in_the_same_segment_are_never_executed(alone, tail):
    """1. Full line or part of one (CVE-2011-0411)."""
    with alone.connect() as client:
        client.send(b"AUTH TLS\r\n" + tail)
        assert client.reply().startswith("421")
        assert client.reply() == ""


def test_pipelined_user_pass_pairs_cause_at_most_max_attempts_evaluations_each_delayed(guarded):
    """2. The right password behind ten wrong ones is never looked at."""
    before = len(guarded.events("login refused"))
    right = f"USER station\r\nPASS {guarded.cluster.passwords['station']}\r\n".encode()
    with guarded.connect() as client:
        started_s = monotonic_s()
        client.send(b"USER station\r\nPASS wrong\r\n" * 10 + right)
        replies = []
        while reply := client.reply():
            replies.append(reply[:3])
    limits = guarded.cluster.settings.limits
    assert replies == ["331", "530"] * limits.login_attempts
    assert len(guarded.events("login refused")) == before + limits.login_attempts
    assert monotonic_s() - started_s >= limits.login_attempts * limits.login_delay_s


def test_unknown_user_and_wrong_password_read_and_last_the_same(alone):
    """3. Same code, same text, and a dummy hash: without that the unknown user is answered some 20 times as fast."""

    def refused(user):
        with alone.connect() as client:
            asked = client.ask(f"USER {user}")
            started_s = monotonic_s()
            return asked, client.ask("PASS wrong"), monotonic_s() - started_s

    wrong, unknown = [[refused(user) for _ in range(3)] for user in ("station", "nobody")]
    assert {answer[:2] for answer in wrong + unknown} == {("331 Password please.", "530 Login incorrect.")}
    ratio = median(answer[2] for answer in unknown) / median(answer[2] for answer in wrong)
    assert 1 / 4 < ratio < 4


def test_hash_concurrency_is_capped_and_other_sessions_keep_being_served(alone):
    """4. Each check takes 64 MiB: twelve at once may cost no more than the two that are allowed."""

    def peak_kb():
        lines = Path(f"/proc/{alone.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))

    before_kb = peak_kb()
    clients = [alone.connect() for _ in range(12)]
    with alone.connect() as other:
        for client in clients:
            client.send(b"USER station\r\nPASS wrong\r\n")
        served = 0
        for client in clients:
            assert other.ask("NOOP").startswith("200")
            served += 1
            assert [client.reply()[:3], client.reply()[:3]] == ["331", "530"]
            client.close()
    assert served == len(clients)
    most = alone.cluster.settings.limits.password_checks_at_once
    assert peak_kb() - before_kb < (most + 1) * ARGON2_KB


def test_no_login_within_the_deadline_closes_the_session_despite_noops(guarded):
    """5."""
    with guarded.connect() as client:
        while (reply := client.ask("NOOP")).startswith("200"):
            pass
        assert reply == "421 Too long without a login."
        assert client.reply() == ""


@pytest.mark.parametrize(
    "command",
    [
        "PORT 127,0,0,2,78,32",
        "PORT 127,0,0,1,3,255",
        "EPRT |1|127.0.0.2|20000|",
        "EPRT |1|127.0.0.1|80|",
    ],
)
def test_port_to_another_address_or_below_1024_is_refused(alone, command):
    """6, the bounce."""
    with alone.client() as client:
        assert client.ask(command).startswith("501")
        assert client.ask("LIST").startswith("425")


def test_a_foreign_data_connection_is_dropped_without_a_control_reply(alone):
    """6, the stolen port: the session's own connection still finds it."""
    with alone.client() as client:
        port = client.passive_port()
        with socket.create_connection((client.host, port), source_address=("127.0.0.99", 0)) as stranger:
            assert stranger.recv(1) == b""
        with socket.create_connection((client.host, port)) as data:
            assert client.ask("STOR own.rnx").startswith("125")
            data.sendall(b"own")
        assert client.reply().startswith("226")


@pytest.mark.parametrize("handshake", ["before", "after"])
def test_with_the_option_on_a_data_tls_session_not_from_this_control_session_gets_522(guarded, handshake):
    """7. None, or that of another control session; before or after the command."""
    context = guarded.tls_context()
    with (
        logged_in_under_tls(guarded, "lansurvey", context) as other,
        logged_in_under_tls(guarded, "lansurvey", context) as client,
    ):
        own = client.socket.session
        for session, code in ((own, "226"), (None, "522"), (other.socket.session, "522"), (own, "226")):
            data = socket.create_connection((client.host, client.passive_port()), timeout=10)
            data = context.wrap_socket(data, do_handshake_on_connect=False, session=session)
            if handshake == "before":
                data.do_handshake()
            assert client.ask("NLST").startswith("125")
            if handshake == "after":
                data.do_handshake()
            assert client.reply()[:3] == code
            data.close()
        assert client.ask("PROT C").startswith("200")
        assert client.ask("NLST").startswith("521")


def test_where_resumption_is_only_preferred_its_lack_is_logged(guarded):
    """7, `prefer`: ftplib cannot resume."""
    context = guarded.tls_context()
    before = len(guarded.events("data TLS not resumed"))
    with logged_in_under_tls(guarded, "station", context) as client:
        for session in (client.socket.session, None):
            data = socket.create_connection((client.host, client.passive_port()), timeout=10)
            data = context.wrap_socket(data, do_handshake_on_connect=False, session=session)
            assert client.ask("STOR preferred.rnx").startswith("125")
            data.sendall(b"x" * 10_000)
            data.unwrap().close()
            assert client.reply().startswith("226")
    assert len(guarded.events("data TLS not resumed")) == before + 1


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["http/1.1"], None), (["h2", "http/1.1"], None), (["ftp"], "ftp"), (["h2", "ftp"], "ftp")]
)
def test_alpn_http_1_1_is_refused_and_ftp_accepted(alone, offered, chosen):
    """8, the handshake of a browser (ALPACA)."""
    context = alone.tls_context()
    context.set_alpn_protocols(offered)
    with alone.connect() as client:
        if chosen is None:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                client.start_tls(context)
        else:
            client.start_tls(context)
            assert client.socket.selected_alpn_protocol() == chosen
            assert client.ask("NOOP").startswith("200")


@pytest.mark.parametrize("verb", ["GET", "POST", "put", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "CONNECT"])
def test_a_web_request_closes_the_session(alone, verb):
    """8, the request: what follows it is not executed."""
    with alone.connect() as client:
        client.send(verb.encode() + b" / HTTP/1.1\r\nUSER station\r\n\r\n")
        assert client.reply().startswith("421")
        assert client.reply() == ""


def test_tls_below_1_2_is_refused(alone):
    """9, the version."""
    context = alone.tls_context()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    client = alone.connect()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        client.start_tls(context)
    client.close()


@pytest.mark.parametrize("account", ["servicedesk", "anonymous"])
def test_the_tls_policy_holds_for_anonymous_and_named_users(guarded, account):
    """9, the policy: login and data."""
    site = "public" if account == "anonymous" else "ingest"
    with guarded.connect(site) as client:
        assert client.ask(f"USER {account}").startswith("331")
        assert client.ask(f"PASS {guarded.cluster.passwords.get(account, '')}").startswith("530")
    with logged_in_under_tls(guarded, account, guarded.tls_context()) as client:
        assert client.ask("PROT C").startswith("200")
        assert client.ask("LIST").startswith("521")


def test_an_overlong_line_is_one_500_and_its_tail_is_never_executed(alone):
    """10, the line."""
    with alone.client() as client:
        client.send(b"MKD " + b"x" * 5000 + b"\r\nMKD tail\r\n")
        assert client.reply().startswith("500")
        assert client.reply() == ""
    assert not (alone.root / "Station/tail").exists()


def test_unread_pipelined_replies_are_bounded(alone):
    """10, the replies: a client that asks and never reads is dropped, instead of filling our memory."""
    before = len(alone.events("replies are not read"))
    with alone.connect(greeting=False) as client:
        with pytest.raises(ConnectionError):
            client.send(b"HELP\r\n" * 10_000_000)
        assert len(alone.events("replies are not read")) == before + 1
    with alone.connect() as other:
        assert other.ask("NOOP").startswith("200")


@pytest.mark.parametrize("name", [b"a\x00b", b"a\rb", b"a\x1bb", b"a\x7f", b"a\tb", b"a\r\x00b"])
def test_control_characters_in_a_path_give_553_and_the_session_survives(alone, name):
    """11. LF ends the command, so what stands behind it is a command of its own and no part of a path."""
    with alone.client() as client:
        for command in (b"MKD ", b"SIZE ", b"STOR ", b"DELE ", b"STOU ", b"CWD ", b"LIST ", b"RNFR "):
            client.send(command + name + b"\r\n")
            assert client.reply().startswith("553"), command
        client.send(b"MKD a\nNOOP\r\n")
        assert [client.reply()[:3], client.reply()[:3]] in (["257", "200"], ["550", "200"])
        assert not [entry for entry in (alone.root / "Station").iterdir() if entry.name.startswith("a\n")]


def test_logs_cannot_be_forged_through_user_or_file_names(alone):
    """12. In both formats a name stays one value on one line."""
    forged = 'x", "event": "login", "account": "root\u2028\x85{"event": "login"}\x1b[2K\r{"event": "login"}'
    before = len(alone.events("login"))
    with alone.connect() as client:
        client.ask(f"USER {forged}")
        client.ask("PASS wrong")
    refused = until(lambda: [e for e in alone.events("login refused") if e["user"] == forged], "it is logged")[0]
    assert refused["account"] is None
    assert len(alone.events("login")) == before
    for line in alone.log_file.read_bytes().split(b"\n"):
        assert not line or isinstance(json.loads(line), dict)

    name = "a\nlevel='info' event='login'\r\x1b[2K\u2028"
    script = (
        f"from cluster.log import *; start_logging('text', part='test'); logger('x').warning('upload', path={name!r})"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr
    assert len(printed.splitlines()) == 1
