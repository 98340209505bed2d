"""The relays that a bench compares: our balancer, HAProxy and ProFTPD's mod_proxy, each before a node of its choice."""

import datetime
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.servers import Bench, Server
from bench.sink_node import PASSIVE
from compose.new_cluster import network_plan, write_cluster

NETWORK = "127.77.9"
SINK = f"{NETWORK}.12"
UNSPOOLED_SINK = f"{NETWORK}.13"
UNBOUNDED = {"sessions": 100_000, "sessions_per_address": 100_000}
_UNPACKED = "/var/tmp/tripod-bench-proftpd"
PROFTPD = (
    "proftpd-core", "proftpd-mod-proxy", "proftpd-mod-crypto", "libhiredis0.14", "libmemcached11", "libmemcachedutil2",
    "libhashkit2", "libpcre2-posix3",
)  # fmt: skip


def sink_with_balancer(bench: Bench, vip: str, *, spooled: bool) -> tuple[Server, Server]:
    """A node that costs nothing, and a balancer before it; without a spool uploads are passed straight on."""
    name = "spooled" if spooled else "unspooled"
    folder, address = bench.folder / name, SINK if spooled else UNSPOOLED_SINK
    plan = msgspec.structs.replace(network_plan(name, 1, network=NETWORK), vip=vip, limits=UNBOUNDED)
    plan = msgspec.structs.replace(plan, nodes=(msgspec.structs.replace(plan.nodes[0], address=address),))
    write_cluster(folder, plan, datetime.datetime.now(datetime.UTC))
    with_plain_legs(folder)
    if not spooled:
        file = folder / "cluster.yaml"
        text = file.read_text()
        file.write_text(re.sub(r"session_bytes: \d+", "session_bytes: 0", text))
    sink = [sys.executable, "-m", "bench.sink_node", "node1", address, "8021", vip, "2121", "2122"]
    return (
        bench.start(f"{name} sink", address, "station", "x", sink),
        balancer(bench, folder / "cluster.yaml", vip, f"{name} balancer", "x"),
    )


def node_with_balancers(bench: Bench, node: Server) -> tuple[Server, Server]:
    """Two balancers before `bench.ftpnode()`: one that speaks plain FTP to it, as the peers do, and one with TLS."""
    folder, vip, other = bench.folder / "ours", f"{NETWORK}.10", f"{NETWORK}.14"
    secure = folder / "under-tls.yaml"
    secure.write_text((folder / "cluster.yaml").read_text().replace(f"vip: {vip}", f"vip: {other}"))
    with_plain_legs(folder)
    return (
        balancer(bench, folder / "cluster.yaml", vip, "balancer", node.password),
        balancer(bench, secure, other, "balancer with TLS to its node", node.password),
    )


def with_plain_legs(folder: Path) -> None:
    """Let balancer and node speak plain FTP, as the peers do."""
    file = folder / "cluster.yaml"
    file.write_text(file.read_text().replace("\nbalancer:\n", "\nbalancer:\n  node_tls: off\n"))


def balancer(bench: Bench, config: Path, vip: str, name: str, password: str) -> Server:
    """The balancer of the cluster that `config` describes."""
    command = [sys.executable, "-m", "balancer", "run", "--config", str(config)]
    return bench.start(name, vip, "station", password, command)


def haproxy(bench: Bench, node: Server) -> Server | None:
    """HAProxy, relaying TCP with splice, as its recipe for FTP says: control and passive ports; None without it."""
    if shutil.which("haproxy") is None:
        return None
    address = f"{NETWORK}.31"
    ports = f"{address}:{node.port},{address}:{PASSIVE.start}-{PASSIVE.stop - 1}"
    file = bench.folder / "haproxy.cfg"
    file.write_text(f"""
global
    maxconn 4000
defaults
    mode tcp
    option splice-auto
    option splice-request
    option splice-response
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen ftp
    bind {ports}
    server node {node.address}
""")
    return bench.start("haproxy", address, node.account, node.password, ["haproxy", "-db", "-f", str(file)])


def mod_proxy(bench: Bench, node: Server, number: int) -> Server | None:
    """ProFTPD as a reverse proxy, with TLS for clients who want it; None where its packages cannot be had."""
    unpacked = _proftpd()
    if unpacked is None:
        return None
    folder, keys = bench.folder / f"mod_proxy{number}", bench.folder / "ours/keys"
    folder.mkdir()
    address = f"{NETWORK}.{40 + number}"
    file = folder / "proftpd.conf"
    file.write_text(f"""
ModulePath {unpacked}/usr/lib/proftpd
LoadModule mod_tls.c
LoadModule mod_proxy.c
ServerName bench
ServerType standalone
DefaultAddress {address}
SocketBindTight on
Port 2121
User root
Group root
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
SystemLog {folder}/log
TransferLog none
WtmpLog off
DelayEngine off
UseReverseDNS off
UseIPv6 off
MaxInstances none
TLSEngine on
TLSECCertificateFile {keys}/node1.crt
TLSECCertificateKeyFile {keys}/node1.key
TLSOptions NoSessionReuseRequired
ProxyEngine on
ProxyRole reverse
ProxyTables {folder}/tables
ProxyReverseServers ftp://{node.address}:{node.port}
ProxySourceAddress 127.0.0.1
ProxyTLSEngine off
""")
    (folder / "tables").mkdir()
    command = [f"{unpacked}/usr/sbin/proftpd", "-n", "-c", str(file)]
    libraries = {"LD_LIBRARY_PATH": f"{unpacked}/usr/lib/x86_64-linux-gnu"}
    return bench.start(f"mod_proxy{number}", address, node.account, node.password, command, environment=libraries)


def haproxy_version() -> str:
    """As `haproxy -v` says it."""
    said = subprocess.run(["haproxy", "-v"], check=True, capture_output=True, text=True).stdout
    return said.split()[2].partition("-")[0]


def proftpd_version() -> str:
    """Of the package that was unpacked."""
    (package,) = Path(_UNPACKED).glob("proftpd-core_*.deb")
    return package.name.split("_")[1].partition("+")[0]


def _proftpd() -> Path | None:
    """Where ProFTPD is unpacked, from Debian's packages; installing it would start it."""
    folder = Path(_UNPACKED)
    if (folder / "usr/lib/proftpd/mod_proxy.so").exists():
        return folder
    folder.mkdir(exist_ok=True)
    try:
        subprocess.run(["apt-get", "download", "-q", *PROFTPD], cwd=folder, check=True, capture_output=True, timeout=60)
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, folder], check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return folder
