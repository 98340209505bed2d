"""A running node follows cluster.yaml: by SIGHUP and by `tripod reload`, without dropping a session."""

import shutil
import signal
import socket
import ssl

import pytest
from click.testing import CliRunner

from cluster.clock import utc_now
from cluster.password import hash_password
from compose.authority import Authority
from compose.command import main
from tests.ftpnode.running import running
from tests.kit.cluster_folder import write_cluster
from tests.kit.wait import until


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    cluster = write_cluster(tmp_path_factory.mktemp("reload"), nodes=1, replication="none")
    shutil.copy(cluster.file, cluster.folder / "first.yaml")
    with running(cluster) as node:
        yield node


@pytest.fixture(autouse=True)
def _as_it_was(node):
    yield
    shutil.copy(node.cluster.folder / "first.yaml", node.cluster.file)
    assert reload(node).exit_code == 0


def change(node, *pairs):
    text = node.cluster.file.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    node.cluster.file.write_text(text)


def reload(node):
    """Asked through a copy of the good file, because the command itself refuses a bad one."""
    return CliRunner().invoke(main, ["reload", "--config", str(node.cluster.folder / "first.yaml")])


def test_accounts_limits_and_greetings_change_under_a_running_transfer(node):
    with node.client() as client, client.data() as data:
        client.ask("STOR during.rnx")
        change(
            node,
            ("rights: [read, write, rename, make-directory, delete]", "rights: [read, write]"),
            ("ingest, Tripod ready", "under new rules"),
            ("sessions_per_address: 200", "sessions_per_address: 2"),
            (node.cluster.settings.accounts["lansurvey"].password, hash_password("changed")),
        )
        done = reload(node)
        assert (done.exit_code, done.stdout) == (0, "node1: reloaded, accounts, sites, limits changed\n")
        data.sendall(b"whole")
        data.shutdown(socket.SHUT_WR)
        assert client.reply().startswith("226")
        assert client.ask("DELE during.rnx").startswith("550")
        with node.connect() as second:
            assert second.greeting.endswith("under new rules.")
            second.login("lansurvey", "changed")
            with node.connect() as third:
                assert third.greeting.startswith("421")


def test_a_session_whose_account_is_gone_ends_after_its_transfer(node):
    with node.client() as client, client.data() as data, node.client("lansurvey") as other:
        client.ask("STOR last.rnx")
        change(node, ("accounts: [station, ", "accounts: ["))
        assert reload(node).exit_code == 0
        data.sendall(b"whole")
        data.shutdown(socket.SHUT_WR)
        assert client.reply().startswith("226")
        assert client.reply().startswith("421")
        assert other.ask("NOOP").startswith("200")
    with node.connect() as client:
        client.ask("USER station")
        assert client.ask(f"PASS {node.cluster.passwords['station']}").startswith("530")


def test_a_bad_file_is_refused_with_every_mistake_and_the_old_one_stays(node):
    change(node, ("limits:", "limitz:"), ("tls: optional", "tls: maybe"))
    refused = reload(node)
    assert refused.exit_code == 1
    assert refused.stderr.count("node1: ") == len(refused.stderr.splitlines())
    assert "limitz" in refused.stderr
    assert refused.stderr.count("tls: is 'maybe'") == 2
    with node.client() as client:
        assert client.ask("NOOP").startswith("200")


def test_what_needs_a_restart_is_refused_with_a_sentence(node):
    port = node.port("public")
    change(node, (f"port: {port}", "port: 4444"), (", Tripod ready", ", nothing of this counts"))
    refused = reload(node)
    assert refused.exit_code == 1
    assert f"sites.public.port: is {port} in this process and 4444 in the file" in refused.stderr
    with node.connect() as client:
        assert client.greeting.endswith("Tripod ready.")


def test_sighup_is_answered_in_the_log(node):
    good, bad = len(node.events("reloaded")), len(node.events("reload refused"))
    node.process.send_signal(signal.SIGHUP)
    until(lambda: len(node.events("reloaded")) > good, "the reload is logged")
    change(node, ("limits:", "limitz:"))
    node.process.send_signal(signal.SIGHUP)
    until(lambda: len(node.events("reload refused")) > bad, "the refusal is logged")
    assert "limitz" in node.events("reload refused")[-1]["where"]


def test_a_new_certificate_is_shown_to_the_next_session_and_the_running_one_goes_on(node):
    authority = Authority("renewed", utc_now())
    renewed = authority.issue("node1", (node.host,))
    described = node.node
    before = described.certificate.read_bytes(), described.key.read_bytes()
    trust = ssl.create_default_context(cadata=authority.key_pair().certificate.decode())
    trust.check_hostname = False
    with node.connect() as old:
        old.start_tls(node.tls_context())
        old.login("servicedesk", node.cluster.passwords["servicedesk"])
        described.certificate.write_bytes(renewed.certificate)
        assert "usable pair" in reload(node).stderr, "the key does not fit yet"
        described.key.write_bytes(renewed.key)
        assert reload(node).exit_code == 0
        with node.connect() as new:
            new.start_tls(trust)
        assert old.ask("PBSZ 0").startswith("200")
        assert old.ask("PROT P").startswith("200")
        with old.data(old.context) as data:
            assert old.ask("LIST")[:3] in {"125", "150"}
            data.do_handshake()
            assert data.recv(10000) is not None
        assert old.reply().startswith("226")
    described.certificate.write_bytes(before[0])
    described.key.write_bytes(before[1])
