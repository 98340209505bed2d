"""Services that pass TLS through: real clients see the node itself, by way of the balancer and ports of its own."""

import contextlib
import ftplib
import io
import itertools
import socket
import ssl
import subprocess
import sys

import pytest

from tests.kit.programs import run
from tests.kit.running_cluster import running_cluster
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(240)]

CONTENT = bytes(range(256)) * 4000 + b"\r\n\n\r"
RANGES = {"node1": range(30000, 30060), "node2": range(30060, 30120)}
IMPLICIT = 2990


def change(workers):
    def to(document):
        document["sites"]["ingest"]["implicit_port"] = IMPLICIT
        services = document["balancer"]["services"]
        services["ingest"] |= {"tls": "pass-through", "implicit_port": IMPLICIT}
        document["balancer"]["workers"] = workers
        document["accounts"]["station"]["data_tls_resumption"] = "require"
        for node, ports in RANGES.items():
            document["nodes"][node]["passive_ports"] = {"first": ports[0], "last": ports[-1]}

    return to


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two workers"])
def cluster(request, tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("through"), change=change(request.param)) as cluster:
        yield cluster


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "up.rnx"
    path.write_bytes(CONTENT)
    return path


class Ftps(ftplib.FTP_TLS):
    """A client that resumes TLS on its data connections, as curl and lftp do."""

    def ntransfercmd(self, cmd, rest=None):
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        return self.context.wrap_socket(connection, server_hostname=self.host, session=self.sock.session), size

    @property
    def node(self):
        """Whose certificate it was shown."""
        return dict(field for (field,) in self.sock.getpeercert()["subject"])["commonName"]

    def passive(self):
        return ftplib.parse229(self.sendcmd("EPSV"), self.sock.getpeername())


@pytest.fixture
def client(cluster):
    """Logs in from an address whose node is the one that is wanted, or any."""
    with contextlib.ExitStack() as stack:

        def log_in(node=None, *, account="station", address=None, besides=""):
            for number in itertools.count(1):
                context = ssl.create_default_context(cafile=str(cluster.files.ca))
                context.check_hostname = False  # the nodes' certificates name the nodes
                came_from = address or f"127.9.9.{number}"
                if came_from == besides:
                    continue
                one = stack.enter_context(Ftps(timeout=20, context=context, source_address=(came_from, 0)))
                one.connect(cluster.vip, 2121)
                one.auth()
                if node in {None, one.node}:
                    one.login(account, cluster.files.passwords[account])
                    one.prot_p()
                    return one
                one.close()
            raise AssertionError

        yield log_in


def on_both(cluster, path):
    for node in RANGES:
        there = cluster.root(node) / "Station" / path
        until(lambda there=there: there.exists() and there.read_bytes() == CONTENT, f"{path} on {node}")
    return True


def log_of(cluster, part="balancer"):
    return (cluster.files.folder.parent / f"logs/{part}.log").read_text()


def takes_no_more(data):
    try:
        data.sendall(CONTENT)
    except OSError as error:
        return not isinstance(error, TimeoutError)
    return False


def refused(address, target):
    """Whether a connection from `address` is closed without a word."""
    with socket.create_connection(target, 10, (address, 0)) as sock, contextlib.suppress(ConnectionResetError):
        return sock.recv(1) == b""
    return True


def test_real_clients_meet_the_nodes_own_certificate_and_resume_it_on_data(cluster, client, file):
    name = client(address="127.0.0.1").node
    account = f"station:{cluster.files.passwords['station']}"
    for scheme, port in (("ftp", 2121), ("ftps", IMPLICIT)):
        options = ("-sS", "--ssl-reqd", "--cacert", cluster.files.ca, "--resolve", f"{name}:{port}:{cluster.vip}")
        url = f"{scheme}://{account}@{name}:{port}/{scheme}.rnx"
        run("curl", *options, "-T", file, url)
        run("curl", *options, "-o", file.parent / "down.rnx", url)
        assert (file.parent / "down.rnx").read_bytes() == CONTENT
        script = f"set ssl:ca-file {cluster.files.ca}; set ssl:check-hostname no; set net:max-retries 1; "
        script += f"set ftp:ssl-force yes; put {file} -o lftp-{scheme}.rnx; cat lftp-{scheme}.rnx > /dev/null; quit"
        run("lftp", "-e", script, f"{scheme}://{account}@{cluster.vip}:{port}/")
        assert on_both(cluster, f"{scheme}.rnx")
        assert on_both(cluster, f"lftp-{scheme}.rnx")


def test_each_node_has_its_own_ports_at_the_vip_and_no_other_client_gets_through_them(cluster, client):
    one, two = client("node1"), client("node2")
    for session in (one, two):
        assert session.storbinary(f"STOR at-{session.node}.rnx", io.BytesIO(CONTENT)).startswith("226")
        assert on_both(cluster, f"at-{session.node}.rnx")
        host, port = ftplib.parse227(session.sendcmd("PASV"))
        assert host == cluster.vip
        assert port in RANGES[session.node]
    port_of_two = two.passive()[1]
    assert refused(one.source_address[0], (cluster.vip, port_of_two))  # has a session, but not on that node
    assert refused("127.9.8.1", (cluster.vip, port_of_two))  # has none
    neighbour = client("node2", besides=two.source_address[0])
    assert refused(neighbour.source_address[0], (cluster.vip, port_of_two))  # has one there, but the port is another's
    two.sendcmd("TYPE I")
    two.putcmd("RETR at-node2.rnx")
    with socket.create_connection((cluster.vip, port_of_two), 10, two.source_address) as plain:
        assert two.getresp()[:3] in {"125", "150"}
        with two.context.wrap_socket(plain, server_hostname=two.host, session=two.sock.session) as data:
            assert b"".join(iter(lambda: data.recv(65536), b"")) == CONTENT
    assert two.voidresp().startswith("226")


def test_an_upload_that_its_client_cuts_is_cut_at_the_node(cluster, client):
    session = client("node1")
    data = session.transfercmd("STOR cut.rnx")
    data.sendall(CONTENT[:300_000])
    data.shutdown(socket.SHUT_RDWR)  # FIN without close_notify
    data.close()
    with pytest.raises(ftplib.error_temp, match="426"):
        session.voidresp()
    assert not (cluster.root("node1") / "Station/cut.rnx").exists()


def test_books_choices_and_figures_are_kept(cluster, client):
    session = client("node2")
    session.storbinary("STOR book.rnx", io.BytesIO(CONTENT))
    assert session.quit().startswith("221")
    session.close()
    until(lambda: "outcome='closed-by-node'" in log_of(cluster), "the session is in the log")
    assert "outcome='node-lost'" not in log_of(cluster)  # whatever clients and nodes say when they close
    why = subprocess.run(
        [sys.executable, "-m", "compose", "status", "--why", "--config", cluster.files.file],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert "always for 127.9.9." in why
    figures = run("curl", "-sS", f"http://{cluster.vip}:8021/metrics")
    assert 'balancer_transfers_total{node="node2",reply="",service="ingest",verb="unread"}' in figures
    assert any(
        "login" in line and session.source_address[0] in line for line in log_of(cluster, "node2.ftpnode").splitlines()
    )


@pytest.mark.parametrize("how", ["kill", "pause"])
def test_a_nodes_death_ends_its_sessions_and_their_clients_find_the_other_node(cluster, client, how):
    lost, other = client("node1"), client("node2")
    data = lost.transfercmd("STOR half.rnx")
    data.sendall(CONTENT[:200_000])
    getattr(cluster.parts, how)(("node1.ftpnode",))
    try:
        lost.sock.settimeout(6)
        with pytest.raises((EOFError, OSError)) as caught:
            lost.getresp()
        assert not isinstance(caught.value, TimeoutError)
        assert until(lambda: takes_no_more(data), "the data connection is reset")
        data.close()
        again = client(address=lost.source_address[0])
        assert again.node == "node2"
        assert again.storbinary(f"STOR {how}.rnx", io.BytesIO(CONTENT)).startswith("226")
        assert other.voidcmd("NOOP").startswith("200")
    finally:
        if how == "kill":
            cluster.parts.restart(("node1.ftpnode",))
        else:
            cluster.parts.go_on(("node1.ftpnode",))
        cluster.wait_all_usable()
    assert on_both(cluster, f"{how}.rnx")


def test_a_drained_node_keeps_its_sessions_until_the_time_is_over_and_gets_no_new_ones(cluster, client):
    session = client("node2")
    command = [sys.executable, "-m", "compose", "drain", "node2", "--config", cluster.files.file, "--deadline", "8"]
    subprocess.run(command, check=True, capture_output=True)
    try:
        health = cluster.parts.balancer_health
        until(lambda: not next(one for one in health().nodes if one.node == "node2").usable, "it drains")
        assert client(address=session.source_address[0]).node == "node1"
        assert session.storbinary("STOR last.rnx", io.BytesIO(CONTENT)).startswith("226")
        session.sock.settimeout(20)
        with pytest.raises((EOFError, OSError)) as caught:
            session.getresp()
        assert not isinstance(caught.value, TimeoutError)
    finally:
        command[3] = "enable"
        subprocess.run(command[:-2], check=True, capture_output=True)
        cluster.wait_all_usable()


def test_sessions_stay_with_the_old_balancer_and_go_on_when_a_new_one_takes_over(cluster, client):
    """Also their data, which comes to the new one."""
    session = client("node1")
    data = session.transfercmd("STOR during.rnx")
    data.sendall(CONTENT[:500_000])
    cluster.parts.hand_over_balancer()
    data.sendall(CONTENT[500_000:])
    data.unwrap()
    data.close()
    assert session.voidresp().startswith("226")
    for number in range(3):
        assert session.storbinary(f"STOR after{number}.rnx", io.BytesIO(CONTENT)).startswith("226")
    assert refused("127.9.8.1", (cluster.vip, session.passive()[1]))
    assert client().storbinary("STOR new.rnx", io.BytesIO(CONTENT)).startswith("226")
    assert session.quit().startswith("221")
    assert all(on_both(cluster, name) for name in ("during.rnx", "after0.rnx", "after2.rnx", "new.rnx"))


def test_nothing_went_wrong_unseen(cluster):
    for part in ("balancer", "node1.ftpnode", "node2.ftpnode"):
        assert "Traceback" not in log_of(cluster, part)
        assert "internal error" not in log_of(cluster, part)
