"""From where back legs come, and that the kernel and the documented lines play along, in both families."""

import sys
from pathlib import Path

import msgspec
import pytest

from balancer.core.back_source import Source, back_source
from cluster.balancer_settings import Balancer
from cluster.settings_values import Ports
from tests.kit.namespaces import hosts
from tests.kit.transparent_lines import transparent_lines
from tests.kit.wait import until

OWN = Balancer(
    vip="203.0.113.10",
    certificate=Path("/c"),
    key=Path("/k"),
    services={},
    passive_ports=Ports(first=1, last=2),
    source_addresses=("10.0.0.10", "fd00::10"),
)
OF_CLIENTS = msgspec.structs.replace(OWN, transparent=True)


@pytest.mark.parametrize(
    ("balancer", "target", "port", "expected"),
    [
        (OWN, "10.0.0.11", 0, Source("10.0.0.10")),
        (OWN, "10.0.0.11", 4000, Source("10.0.0.10")),
        (OWN, "fd00::11", 4000, Source("fd00::10")),
        (OF_CLIENTS, "10.0.0.11", 0, Source("198.51.100.7", 0, is_foreign=True)),
        (OF_CLIENTS, "10.0.0.11", 4000, Source("198.51.100.7", 4000, is_foreign=True)),
    ],
)
def test_a_back_leg_comes_from_the_balancer_or_in_transparent_mode_from_the_client(balancer, target, port, expected):
    assert back_source(balancer, "198.51.100.7", target, client_port=port) == expected


NODE = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], 21), family=family) as server:
    print("listens", flush=True)
    kept = []
    while True:
        sock, peer = server.accept()
        kept.append(sock)
        sock.sendall(f"{peer[0]} {peer[1]}".encode())
"""
BALANCER = """
import asyncio, socket, sys
from balancer.back_connection import connect
from balancer.core.back_source import Source

async def main(node, client):
    source = Source(client, 40007, is_foreign=True)
    socks = [await connect((node, 21), source, 3.0) for _ in range(2)]
    print(*(await asyncio.gather(*(asyncio.get_running_loop().sock_recv(sock, 99) for sock in socks))), sep="\\n")

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("ipv6", [False, True])
def test_the_kernel_lets_it_speak_with_a_foreign_address_and_brings_the_answers_back(tmp_path, ipv6):
    inside, node_at, client, bits, nodad = "10.0.0.10", "10.0.0.11", "198.51.100.7", 24, ""
    if ipv6:
        inside, node_at, client, bits, nodad = "fd00::10", "fd00::11", "2001:db8::7", 64, " nodad"
    with hosts("balancer", "node") as (balancer, node):
        balancer.cable("inside", node, "wire")
        balancer.ip(f"addr add {inside}/{bits} dev inside{nodad}")
        node.ip(f"addr add {node_at}/{bits} dev wire{nodad}")
        for host, lines in zip((balancer, node), transparent_lines(ipv6=ipv6), strict=True):
            host.run("sh", "-ec", lines)
        log = tmp_path / "node.log"
        server = node.start(sys.executable, "-c", NODE, node_at, log=log)
        try:
            until(lambda: "listens" in log.read_text(), "the node listens")
            first, second = balancer.run(sys.executable, "-c", BALANCER, node_at, client).splitlines()
        finally:
            server.kill()
            server.wait(10)
    assert first == f"b'{client} 40007'"
    assert second.startswith(f"b'{client} ")  # the port is taken, so it is another
    assert second != first
