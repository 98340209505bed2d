"""Transparent mode on hosts of its own: a client outside, the balancer between, two nodes inside that see the client.

The routes and the nftables rule are those of docs/operations.md, word for word.
"""

import contextlib
import json
import subprocess
import sys

import msgspec
import pytest

from cluster.health import BalancerHealth
from tests.kit.cluster_folder import rewritten, write_cluster
from tests.kit.namespaces import hosts
from tests.kit.transparent_lines import transparent_lines
from tests.kit.wait import until

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]

CLIENT, VIP, INSIDE = "198.51.100.7", "203.0.113.10", "10.0.0.10"
NODES = {"node1": "10.0.0.11", "node2": "10.0.0.12"}
CONTENT = bytes(range(256)) * 2000
SESSION = """
import itertools, socket, struct, sys
with socket.socket() as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # so that the port is free again
    sock.bind((sys.argv[2], int(sys.argv[3])))
    sock.connect((sys.argv[1], 21))
    with sock.makefile("rw", newline="\\r\\n") as lines:
        lines.readline()
        for line in itertools.chain(("USER station", f"PASS {sys.argv[4]}"), sys.stdin):
            print(line.strip(), file=lines, flush=True)
            print(lines.readline().strip(), flush=True)
"""


def cabled(client, balancer, nodes):
    """The client knows the balancer's outside; the balancer and the nodes share the inside."""
    client.cable("wire", balancer, "outside")
    client.ip(f"addr add {CLIENT}/24 dev wire")
    client.ip("route add default via 198.51.100.1")
    balancer.ip("addr add 198.51.100.1/24 dev outside")
    balancer.ip(f"addr add {VIP}/32 dev outside")
    balancer.ip("link add inside type bridge")
    balancer.ip(f"addr add {INSIDE}/24 dev inside")
    balancer.ip("link set inside up")
    balancer.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    for node, address in nodes.items():
        node.cable("wire", balancer, f"to{address.rpartition('.')[2]}")
        balancer.ip(f"link set to{address.rpartition('.')[2]} master inside")
        node.ip(f"addr add {address}/24 dev wire")
        node.run("sysctl", "-q", "-w", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.wire.rp_filter=1")


class Ground:
    """The running cluster and its hosts."""

    def __init__(self, files, client, balancer, nodes, running):
        self.files, self.client, self.balancer, self.nodes, self.running = files, client, balancer, nodes, running

    def all_usable(self):
        with contextlib.suppress(AssertionError):
            said = self.balancer.run("curl", "-sS", f"http://{VIP}:8021/health")
            return all(node.usable and not node.why for node in msgspec.json.decode(said, type=BalancerHealth).nodes)
        return False

    def url(self, path, host=VIP):
        return f"ftp://station:{self.files.passwords['station']}@{host}/{path}"

    def events(self, node, event):
        lines = (self.files.folder / f"{node}.ftpnode.log").read_text().splitlines()
        return [found for line in lines if (found := json.loads(line))["event"] == event]

    def start(self, host, name, *command):
        words = ("-m", *command, "--config", self.files.file, "--log-format", "json")
        log = self.files.folder / f"{name}.log"
        self.running[name] = host.start(sys.executable, *words, log=log)

    def start_node(self, name):
        self.start(self.nodes[name], f"{name}.replicator", "replicator", "run", "--node", name)
        self.start(self.nodes[name], f"{name}.ftpnode", "ftpnode", "--node", name)

    @contextlib.contextmanager
    def session(self, port):
        """A client's session from this port of its own; what it is told it says, and tells the reply."""
        command = [sys.executable, "-c", SESSION, VIP, CLIENT, port, self.files.passwords["station"]]
        client = subprocess.Popen(
            self.client.inside(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

        def say(line):
            client.stdin.write(f"{line}\n")
            client.stdin.flush()
            return client.stdout.readline().strip()

        with client:
            assert [client.stdout.readline()[:3] for _ in range(2)] == ["331", "230"]
            yield say
            client.stdin.close()


def change(document):
    document["balancer"] |= {"transparent": True, "node_tls": "off"}
    document["accounts"]["servicedesk"]["tls"] = "optional"
    for name, address in NODES.items():
        document["nodes"][name]["address"] = address


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    plan = {"vip": VIP, "sources": (INSIDE,), "ingest_port": 21}
    files = rewritten(write_cluster(tmp_path_factory.mktemp("transparent") / "c", **plan), change)
    with hosts("client", "balancer", *NODES) as (client, balancer, *inside):
        nodes = dict(zip(NODES, inside, strict=True))
        cabled(client, balancer, dict(zip(inside, NODES.values(), strict=True)))
        for_balancer, for_nodes = transparent_lines()
        balancer.run("sh", "-ec", for_balancer)
        for node in inside:
            node.run("sh", "-ec", for_nodes)
        running = {}
        ground = Ground(files, client, balancer, nodes, running)
        try:
            for name in nodes:
                ground.start_node(name)
            ground.start(balancer, "balancer", "balancer", "run")
            until(ground.all_usable, "the balancer finds every node usable", 40)
            yield ground
        finally:
            for process in reversed(running.values()):
                process.terminate()
            for process in running.values():
                process.wait(15)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "up.rnx"
    path.write_bytes(CONTENT)
    return path


def test_nodes_see_the_clients_own_address_for_control_and_data_and_log_it(ground, file):
    ground.client.run("curl", "-sS", "-T", file, ground.url("passive.rnx"))
    ground.client.run("curl", "-sS", "-P", "-", "-T", file, ground.url("active.rnx"))  # the VIP dials the client
    ground.client.run("curl", "-sSk", "--ssl-reqd", "-T", file, ground.url("tls.rnx"))
    ground.client.run("curl", "-sS", "-o", file.parent / "down.rnx", ground.url("tls.rnx"))
    assert (file.parent / "down.rnx").read_bytes() == CONTENT
    for name in ("passive", "active", "tls"):
        for node in NODES:
            there = ground.files.settings.nodes[node].root / f"Station/{name}.rnx"
            until(lambda there=there: there.exists() and there.read_bytes() == CONTENT, f"{name} on {node}")
    logins = [login for node in NODES for login in ground.events(node, "login")]
    assert len(logins) == 4
    assert {login["client"] for login in logins} == {CLIENT}


def test_a_control_connection_has_the_clients_port_and_a_session_that_moves_has_its_address(ground):
    def where():
        lines = [
            (name, line.split())
            for name, node in ground.nodes.items()
            for line in node.run("ss", "-Htn", "state", "established", "sport", "=", ":21").splitlines()
        ]
        return {name: words[-1] for name, words in lines if words[-1].startswith(CLIENT)}

    with ground.session(40007) as say:
        ((first, address),) = where().items()
        assert address == f"{CLIENT}:40007"
        assert say("MKD moving").startswith("257")
        assert say("CWD moving").startswith("250")
        for part in (f"{first}.ftpnode", f"{first}.replicator"):
            ground.running[part].kill()
            ground.running[part].wait(10)
        assert say("MKD on-the-other").startswith("257")
        assert say("PWD").startswith('257 "/moving"')
        other = next(name for name in NODES if name != first)
        assert where() == {other: f"{CLIENT}:40007"}
        ground.start_node(first)
        until(ground.all_usable, "it is back", 40)
        assert say("QUIT").startswith("221")


def test_two_sessions_of_one_client_port_are_no_trouble(ground):
    """The second finds the port of the first in TIME_WAIT at the node, or free."""
    for _ in range(3):
        with ground.session(40011) as say:
            assert say("PWD").startswith("257")
            assert say("QUIT").startswith("221")


def test_what_nodes_begin_themselves_goes_where_it_went(ground, file):
    """Direct clients too, whose active mode is a connection that the node makes through the balancer's host."""
    for node in ground.nodes.values():
        node.ip(f"route replace default via {INSIDE}")
    ground.client.run("curl", "-sS", "-P", "-", "-T", file, ground.url("direct.rnx", NODES["node1"]))
    assert (ground.files.settings.nodes["node1"].root / "Station/direct.rnx").read_bytes() == CONTENT
    ground.nodes["node2"].run("curl", "-sS", f"http://{INSIDE}:1/", "--connect-to", f"::{VIP}:8021")
    for part in ground.running:
        assert "Traceback" not in (ground.files.folder / f"{part}.log").read_text()


def test_without_the_capability_the_balancer_says_what_it_lacks(ground):
    lacking = ("setpriv", "--bounding-set", "-net_admin,-net_raw", "--inh-caps", "-net_admin,-net_raw")
    command = (*lacking, sys.executable, "-m", "balancer", "run", "--config", ground.files.file)
    done = subprocess.run(ground.balancer.inside(*command), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "balancer.transparent: the kernel refuses IP_TRANSPARENT" in done.stderr
    assert "AmbientCapabilities=CAP_NET_RAW" in done.stderr
