"""Client certificates at a node: who may log in with which, over which door, and after which reload."""

import contextlib
import shlex
import shutil
import socket
import ssl
from pathlib import Path

import paramiko
import pytest
import trustme
from cryptography import x509

from cluster.clock import utc_now
from cluster.proxy_header import ProxyHeader, encode
from cluster.session_token import make_token
from cluster.settings import Account
from ftpnode.core.client_certificate import complaint
from ftpnode.core.login import Candidate
from tests.ftpnode.running import running
from tests.kit.balancer_header import signed
from tests.kit.client_certificates import DAY, issue
from tests.kit.cluster_folder import rewritten, write_cluster
from tests.kit.programs import run

SFTP_PORT = 2022
CONTENT = b"observations" * 1000
KNOWN = "client_certificate"
PINS = "client_fingerprints"


class Shown:
    """What clients have to show: station's is known by the authority, lansurvey's by its fingerprint."""

    def __init__(self, folder):
        now = utc_now()
        self.authority, strangers = trustme.CA(), trustme.CA()
        self.ca = folder / "client-ca.crt"
        self.ca.write_bytes(self.authority.cert_pem.bytes())
        self.by_name = {
            "none": None,
            "own": issue(self.authority, folder, "station"),
            "expired": issue(
                self.authority, folder, "station", called="old", not_before=now - 9 * DAY, not_after=now - DAY
            ),
            "another's": issue(self.authority, folder, "lansurvey", called="another"),
            "a stranger's": issue(strangers, folder, "station", called="stranger"),
            "pinned": issue(strangers, folder, "whoever", called="pinned"),
            "next": issue(strangers, folder, "whoever", called="next"),
        }

    def __getitem__(self, name):
        return self.by_name[name]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    return Shown(tmp_path_factory.mktemp("shown"))


@pytest.fixture(scope="module")
def node(tmp_path_factory, shown):
    limits = {"login_attempts": 3, "sessions_per_address": 30}
    cluster = write_cluster(tmp_path_factory.mktemp("certified"), nodes=1, replication="none", limits=limits)
    shutil.copy(shown.ca, cluster.folder / "keys/client-ca.crt")

    def ask(document):
        accounts = document["accounts"]
        document["cluster"]["client_ca"] = "keys/client-ca.crt"
        document["sites"]["ingest"] |= {"sftp_port": SFTP_PORT, "implicit_port": 2990}
        accounts["station"] |= {KNOWN: "required", "data_tls_resumption": "require"}
        accounts["lansurvey"] |= {KNOWN: "optional", PINS: [shown["pinned"].fingerprint]}

    with running(rewritten(cluster, ask)) as node:
        yield node


def context_with(node, certificate):
    context = node.tls_context()
    if certificate is not None:
        context.load_cert_chain(certificate.file)
    return context


@contextlib.contextmanager
def under_tls(node, certificate):
    with node.connect() as client:
        yield client.start_tls(context_with(node, certificate))


def answer(client, account, password):
    assert client.ask(f"USER {account}").startswith("331"), "USER tells nothing"
    return client.ask(f"PASS {password}")


@pytest.mark.parametrize(
    ("account", "name", "right", "reply"),
    [
        ("station", "own", True, "230"),
        ("station", "own", False, "530 Login incorrect"),
        ("station", "none", True, "530 This account needs its own TLS client certificate"),
        ("station", "none", False, "530 This account needs its own TLS client certificate"),
        ("station", "expired", True, "530 This account needs its own"),
        ("station", "another's", True, "530 This account needs its own"),
        ("station", "a stranger's", True, "530 This account needs its own"),
        ("station", "pinned", True, "530 This account needs its own"),
        ("lansurvey", "pinned", False, "230"),
        ("lansurvey", "pinned", True, "230"),
        ("lansurvey", "none", True, "230"),
        ("lansurvey", "none", False, "530 Login incorrect"),
        ("lansurvey", "another's", False, "530 Login incorrect"),
        ("servicedesk", "own", True, "230"),
        ("servicedesk", "own", False, "530 Login incorrect"),
        ("servicedesk", "a stranger's", True, "230"),
    ],
)
def test_a_certificate_counts_for_its_own_account_alone(node, shown, account, name, right, reply):
    """`required` is a second proof, `optional` stands for the password; who is asked for none may show any."""
    with under_tls(node, shown[name]) as client:
        password = node.cluster.passwords[account] if right else "wrong"
        assert answer(client, account, password).startswith(reply)


def test_without_tls_the_client_is_told_what_to_do(node):
    with node.connect() as client:
        said = answer(client, "station", node.cluster.passwords["station"])
        assert said == "530 This account needs TLS and its own client certificate: use AUTH TLS first."
        assert answer(client, "lansurvey", node.cluster.passwords["lansurvey"]).startswith("230")


def test_a_missing_certificate_is_logged_with_its_reason_and_ends_the_session_like_a_wrong_password(node, shown):
    with under_tls(node, shown["expired"]) as client:
        for _ in range(3):
            assert answer(client, "station", node.cluster.passwords["station"]).startswith("530")
        assert client.reply() == ""
    assert node.events("login refused")[-1]["why"] == "client certificate out of its dates"


def test_data_resumes_the_session_of_a_client_with_a_certificate(node, shown):
    """Whoever resumes shows no certificate again: the session that is resumed holds it."""
    with under_tls(node, shown["own"]) as client:
        assert answer(client, "station", node.cluster.passwords["station"]).startswith("230")
        for command in ("PBSZ 0", "PROT P"):
            assert client.ask(command).startswith("200")
        for number in range(3):
            with client.data(client.context) as data:
                assert client.ask(f"STOR resumed{number}.rnx").startswith("125")
                data.sendall(CONTENT)
                assert data.session_reused
                data.unwrap().close()
            assert client.reply().startswith("226")


@pytest.mark.parametrize(
    ("name", "code"), [("pinned", "226"), ("none", "522"), ("a stranger's", "522"), ("another's", "522")]
)
def test_data_that_does_not_resume_must_show_the_certificate_of_the_control_connection(node, shown, name, code):
    """ftplib never resumes; it shows the same again. lansurvey does not ask for resumption."""
    with under_tls(node, shown["pinned"]) as client:
        assert answer(client, "lansurvey", "anything").startswith("230")
        for command in ("PBSZ 0", "PROT P"):
            assert client.ask(command).startswith("200")
        plain = socket.create_connection((client.host, client.passive_port()), timeout=10)
        with context_with(node, shown[name]).wrap_socket(plain, server_hostname=client.host):
            assert client.ask("LIST").startswith("125")
            assert client.reply()[:3] == code
        assert client.ask("NOOP").startswith("200")


def test_curl_and_lftp_show_their_certificate(node, shown, tmp_path):
    (tmp_path / "up.rnx").write_bytes(CONTENT)
    password, ca, own = node.cluster.passwords["station"], node.cluster.ca, shown["own"].file
    trust = ("curl", "-sS", "--cacert", ca, "--ssl-reqd", "--cert", own)
    run(*trust, "-T", tmp_path / "up.rnx", f"ftp://station:{password}@{node.host}:{node.port()}/curl.rnx")
    run(*trust, "-T", tmp_path / "up.rnx", f"ftps://station:{password}@{node.host}:2990/first.rnx")
    run(*trust[:-1], shown["pinned"].file, "-u", "lansurvey:anything", f"ftp://{node.host}:{node.port()}/")
    script = f"set ssl:ca-file {ca}; set ssl:check-hostname no; set ssl:cert-file {own}; set ssl:key-file {own}; "
    script += f"set net:max-retries 1; put {tmp_path}/up.rnx; quit"
    run("lftp", "-e", script, f"ftps://station:{password}@{node.host}:2990/")
    for name in ("curl.rnx", "first.rnx", "up.rnx"):
        assert (node.root / "Station" / name).read_bytes() == CONTENT


def documented_lines():
    """What docs/operations.md tells an operator to type."""
    text = (Path(__file__).parents[2] / "docs/operations.md").read_text()
    section = text.partition("## Client certificates")[2]
    return section.partition("```sh\n")[2].partition("```")[0].splitlines()


def test_the_certificates_of_the_documented_lines_are_known(tmp_path):
    said = "".join(run(*shlex.split(line), folder=tmp_path) for line in documented_lines())
    pin = said.partition("Fingerprint=")[2].partition("\n")[0]

    def der(name):
        return ssl.PEM_cert_to_DER_cert((tmp_path / name).read_text())

    authorities = x509.load_pem_x509_certificates((tmp_path / "client-ca.crt").read_bytes())
    station = Account(home="/", rights=(), client_certificate="required", client_fingerprints=(pin,))
    lansurvey = Account(home="/", rights=(), client_certificate="required")
    assert complaint(der("station.crt"), Candidate("station", station), authorities, utc_now()) is None
    assert complaint(der("lansurvey.crt"), Candidate("lansurvey", lansurvey), authorities, utc_now()) is None
    assert complaint(der("lansurvey.crt"), Candidate("station", lansurvey), authorities, utc_now()) is not None


def from_balancer(node, *, tls=True, **header):
    vip = node.cluster.settings.balancer.vip
    header = {"source": ("192.0.2.7", 1), "destination": ("192.0.2.1", 21), "tls": tls, "session": "moved"} | header
    return node.connect(source=vip, before=signed(node.cluster, encode(ProxyHeader(**header))))


def token(node):
    key = node.cluster.settings.cluster.token_key.read_bytes()
    return make_token(key, "ingest", "station", utc_now().timestamp(), "00")


@pytest.mark.parametrize(
    ("header", "with_token", "reply"),
    [
        ({"certificate": "own"}, False, "230"),
        ({"certificate": "own"}, True, "230"),
        ({"certificate": "none"}, False, "530 This account needs its own"),
        ({"certificate": "none"}, True, "530 This account needs its own"),
        ({"certificate": "a stranger's"}, False, "530 This account needs its own"),
        ({"certificate": "expired"}, True, "530 This account needs its own"),
        ({"certificate": "own", "tls": False}, False, "530 This account needs TLS"),
        ({"certificate": "none", "source": None, "destination": None}, True, "230"),
        ({"certificate": "none", "source": None, "destination": None}, False, "530 This account needs its own"),
    ],
)
def test_a_balancer_tells_which_certificate_it_was_shown_and_the_node_judges(node, shown, header, with_token, reply):
    """A session that moves shows it again; only the balancer's own probes need none, and they need a token."""
    certificate = shown[header["certificate"]]
    der = certificate.der if certificate else b""
    with from_balancer(node, **(header | {"certificate": der})) as client:
        password = token(node) if with_token else node.cluster.passwords["station"]
        assert answer(client, "station", password).startswith(reply)


def test_a_stranger_cannot_tell_the_node_about_a_certificate(node, shown):
    """From any address but the balancer's, the header is noise in a session that has shown nothing."""
    header = encode(ProxyHeader(source=None, destination=None, tls=True, certificate=shown["own"].der))
    header = signed(node.cluster, header)
    with node.connect(before=header + b"\r\n") as client:
        replies = [client.greeting, client.ask("USER station"), client.ask(f"PASS {token(node)}")]
        assert not [reply for reply in replies if reply.startswith("230")]


def sftp_login(node, account, password):
    transport = paramiko.Transport((node.host, SFTP_PORT))
    try:
        transport.connect(username=account, password=password)
    finally:
        transport.close()


def test_sftp_takes_no_mere_password_of_an_account_that_needs_its_certificate(node):
    with pytest.raises(paramiko.AuthenticationException):
        sftp_login(node, "station", node.cluster.passwords["station"])
    sftp_login(node, "lansurvey", node.cluster.passwords["lansurvey"])


def test_a_reload_brings_new_fingerprints_and_a_new_authority_and_drops_nobody(node, shown):
    """A bad authority is refused, and the old one stays."""
    good, authority = node.cluster.file.read_text(), node.cluster.folder / "keys/client-ca.crt"
    with under_tls(node, shown["own"]) as open_session:
        assert answer(open_session, "station", node.cluster.passwords["station"]).startswith("230")
        authority.write_text("nothing")
        assert node.act("reload") == 400
        authority.write_bytes(node.cluster.ca.read_bytes())
        assert node.act("reload") == 400
        with under_tls(node, shown["own"]) as client:
            assert answer(client, "station", node.cluster.passwords["station"]).startswith("230")
        authority.write_bytes(trustme.CA().cert_pem.bytes())
        node.cluster.file.write_text(good.replace(shown["pinned"].fingerprint, shown["next"].fingerprint))
        assert node.act("reload") == 200
        for account, name, reply in (
            ("station", "own", "530"),
            ("lansurvey", "pinned", "530"),
            ("lansurvey", "next", "230"),
        ):
            with under_tls(node, shown[name]) as client:
                password = node.cluster.passwords[account] if account == "station" else "anything"
                assert answer(client, account, password).startswith(reply), (account, name)
        assert open_session.ask("NOOP").startswith("200")
    node.cluster.file.write_text(good)
    shutil.copy(shown.ca, authority)
    assert node.act("reload") == 200
