"""Implicit FTPS and client certificates through the one address, with real clients and real nodes behind it."""

import ftplib
import io
import shutil
import socket
import ssl

import pytest
import trustme

from cluster.clock import utc_now
from tests.kit.client_certificates import DAY, issue
from tests.kit.clients import ImplicitFtps
from tests.kit.programs import run
from tests.kit.running_cluster import running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]

CONTENT = bytes(range(256)) * 400 + b"\r\n\n\r"
PORT = 2990


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What clients may have; the accounts know one by its fingerprint and one by its authority."""
    folder, now = tmp_path_factory.mktemp("shown"), utc_now()
    authority, strangers = trustme.CA(), trustme.CA()
    (folder / "ca.crt").write_bytes(authority.cert_pem.bytes())
    old = {"not_before": now - 9 * DAY, "not_after": now - DAY}
    return {
        "ca": folder / "ca.crt",
        "own": issue(authority, folder, "station"),
        "expired": issue(authority, folder, "station", called="old", **old),
        "another's": issue(authority, folder, "lansurvey", called="another"),
        "a stranger's": issue(strangers, folder, "station", called="stranger"),
        "pinned": issue(strangers, folder, "whoever"),
    }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, shown):
    def change(document):
        document["cluster"]["client_ca"] = str(shown["ca"])
        accounts = document["accounts"]
        accounts["station"] |= {"client_certificate": "required", "data_tls_resumption": "require"}
        pins = [shown["pinned"].fingerprint]
        accounts["lansurvey"] |= {"client_certificate": "optional", "client_fingerprints": pins}
        document["balancer"]["services"]["ingest"] |= {"implicit_port": PORT, "hosts": {"public.example": "public"}}

    with running_cluster(tmp_path_factory.mktemp("tls"), change=change) as cluster:
        yield cluster


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "up.rnx"
    path.write_bytes(CONTENT)
    return path


def arrived(cluster, path):
    for node in ("node1", "node2"):
        there = cluster.root(node) / path
        until(lambda there=there: there.exists() and there.read_bytes() == CONTENT, f"{path} on {node}")
    return True


def curl(cluster, *words, certificate=None):
    shows = ("--cert", certificate.file) if certificate else ()
    return run("curl", "-sS", "--cacert", cluster.files.ca, "--ssl-reqd", *shows, *words)


def address(cluster, account="station", *, implicit=True):
    scheme, port = ("ftps", PORT) if implicit else ("ftp", 2121)
    return f"{scheme}://{account}:{cluster.files.passwords[account]}@{cluster.vip}:{port}/"


@pytest.mark.parametrize("implicit", [True, False])
def test_curl_and_lftp_log_in_with_their_certificate_and_resume_on_data(cluster, shown, file, implicit):
    own, url = shown["own"], address(cluster, implicit=implicit)
    curl(cluster, "-T", file, f"{url}curl{implicit}.rnx", certificate=own)
    curl(cluster, "-o", file.parent / "down.rnx", f"{url}curl{implicit}.rnx", certificate=own)
    assert (file.parent / "down.rnx").read_bytes() == CONTENT
    settings = {"ssl:ca-file": cluster.files.ca, "ssl:cert-file": own.file, "ssl:key-file": own.file}
    script = "".join(f"set {name} {value}; " for name, value in settings.items())
    run("lftp", "-e", f"{script}set net:max-retries 1; put {file} -o lftp{implicit}.rnx; quit", url)
    assert arrived(cluster, f"Station/curl{implicit}.rnx")
    assert arrived(cluster, f"Station/lftp{implicit}.rnx")


@pytest.mark.parametrize("name", ["none", "expired", "another's", "a stranger's", "pinned"])
def test_no_other_certificate_logs_the_account_in(cluster, shown, name):
    context = cluster_context(cluster, shown.get(name))
    with ftplib.FTP_TLS(timeout=30, context=context) as client:
        client.connect(cluster.vip, 2121)
        with pytest.raises(ftplib.error_perm, match="530 This account needs its own TLS client certificate"):
            client.login("station", cluster.files.passwords["station"])
    with pytest.raises(ftplib.error_perm, match="530 This account needs TLS and its own client certificate"):
        cluster.login("station")


def cluster_context(cluster, certificate=None):
    context = ssl.create_default_context(cafile=str(cluster.files.ca))
    if certificate is not None:
        context.load_cert_chain(certificate.file)
    return context


def test_a_pinned_certificate_stands_for_the_password_and_ftplib_begins_with_tls(cluster, shown):
    with ImplicitFtps(timeout=30, context=cluster_context(cluster, shown["pinned"])) as client:
        client.connect(cluster.vip, PORT)
        client.login("lansurvey", "anything", secure=False)
        assert client.storbinary("STOR pinned.rnx", io.BytesIO(CONTENT)).startswith("226")
    assert arrived(cluster, "Data/pinned.rnx")
    with ImplicitFtps(timeout=30, context=cluster_context(cluster, shown["own"])) as client:
        client.connect(cluster.vip, PORT)
        with pytest.raises(ftplib.error_perm, match="530 Login incorrect"):
            client.login("lansurvey", "anything", secure=False)


def test_a_session_with_a_certificate_outlives_its_node(cluster, shown):
    with ftplib.FTP_TLS(timeout=30, context=cluster_context(cluster, shown["own"])) as client:
        client.connect(cluster.vip, 2121)
        client.login("station", cluster.files.passwords["station"])
        client.mkd("moving")
        client.cwd("moving")
        for node in ("node1", "node2"):
            parts = (f"{node}.ftpnode", f"{node}.replicator")
            cluster.parts.kill(parts)
            client.mkd(node)
            assert client.pwd() == "/moving"
            cluster.parts.restart(parts)
            cluster.wait_all_usable()


def test_openssl_s_client_is_greeted_at_the_vip_with_the_balancers_certificate(cluster):
    words = ("-connect", f"{cluster.vip}:{PORT}", "-CAfile", cluster.files.ca, "-verify_return_error", "-ign_eof")
    said = run("openssl", "s_client", *words, given="QUIT\r\n")
    assert "Verify return code: 0 (ok)" in said
    assert "220 " in said
    assert "CN = balancer" in said


def test_clients_that_have_no_certificate_do_not_notice_that_one_is_asked_for(cluster, file):
    url = address(cluster, "servicedesk")
    curl(cluster, "-T", file, f"{url}asked.rnx")
    if shutil.which("lftp"):
        run("lftp", "-e", f"set ssl:ca-file {cluster.files.ca}; cls asked.rnx; quit", url)
    assert arrived(cluster, "asked.rnx")


def test_a_host_name_leads_to_another_site_behind_the_same_port_by_host_and_by_sni(cluster):
    with ftplib.FTP(timeout=20) as plain:
        plain.connect(cluster.vip, 2121)
        assert plain.sendcmd("HOST public.example").startswith("220")
        assert plain.login().startswith("230")
        assert plain.pwd() == "/"
        with pytest.raises(ftplib.error_perm, match="550"):
            plain.mkd("new")
    context = ssl.create_default_context(cafile=str(cluster.files.ca))
    context.check_hostname = False
    sock = socket.create_connection((cluster.vip, PORT), 20)
    with context.wrap_socket(sock, server_hostname="public.example") as secure, secure.makefile("rwb", 0) as lines:
        assert lines.readline().startswith(b"220")
        lines.write(b"USER anonymous\r\nPASS x\r\n")
        assert [lines.readline()[:3] for _ in range(2)] == [b"331", b"230"]
    with ftplib.FTP(timeout=20) as plain:  # without a name it is the site of the service
        plain.connect(cluster.vip, 2121)
        with pytest.raises(ftplib.error_perm, match="530"):
            plain.login()
