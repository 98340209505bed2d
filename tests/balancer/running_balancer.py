"""A real balancer with fake nodes behind it, all in one loop; clients run in threads."""

import asyncio
import ftplib
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from balancer.program import Program
from cluster.balancer_settings import Probe, Service, Spool
from cluster.settings import Settings
from cluster.settings_values import Ports
from tests.kit.cluster_folder import LabCluster, write_cluster
from tests.kit.fake_node import FakeNode
from tests.kit.fake_tree import Tree
from tests.kit.wait import PATIENCE_S

T = TypeVar("T")


class Bench:
    """What a test talks to."""

    def __init__(self, cluster: LabCluster, settings: Settings, program: Program, nodes: list[FakeNode]) -> None:
        self.cluster = cluster
        self.settings = settings
        self.program = program
        self.nodes = nodes
        self.loop = asyncio.get_running_loop()
        self.tree = nodes[0].tree
        self.vip = settings.balancer.vip
        self.port = settings.balancer.services["ingest"].port

    @property
    def commands(self) -> list[str]:
        return [command for node in self.nodes for command in node.commands]

    def arm(self, fault: str, kind: str = "die") -> None:
        """Let the node that meets this moment first fail there, once in all."""
        for node in self.nodes:
            node.fault, node.fault_kind = fault, kind
        # a fault that has struck one node must not strike the next
        for node in self.nodes:
            node.others = [other for other in self.nodes if other is not node]

    def client(self, *, login: bool = True) -> ftplib.FTP:
        ftp = ftplib.FTP(timeout=PATIENCE_S)
        ftp.connect(self.vip, self.port)
        if login:
            ftp.login("station", "secret")
        return ftp

    def in_loop(self, act: Callable[[], None]) -> None:
        """For a client's thread: have `act` done where the nodes run, and wait until it is."""

        async def done() -> None:
            act()

        asyncio.run_coroutine_threadsafe(done(), self.loop).result()

    async def run(self, work: Callable[[ftplib.FTP], T], *, login: bool = True) -> T:
        """Let a client work in a thread."""

        def job() -> T:
            ftp = self.client(login=login)
            try:
                return work(ftp)
            finally:
                ftp.close()

        return await asyncio.to_thread(job)


@functools.cache
def cluster_of(folder: Path, nodes: int) -> LabCluster:
    return write_cluster(folder / f"cluster{nodes}", nodes=nodes)


@asynccontextmanager
async def bench(
    folder: Path,
    *,
    nodes: int = 2,
    spool: Spool | None = None,
    probe: Probe | None = None,
    ports: tuple[int, int] = (40000, 40019),
    limits: dict[str, float] | None = None,
    reply_timeout_s: float = 5.0,
    change: Callable[[Settings], Settings] = lambda settings: settings,
) -> AsyncIterator[Bench]:
    cluster = cluster_of(folder.parent, nodes)
    settings = cluster.settings
    balancer = msgspec.structs.replace(
        settings.balancer,
        services={"ingest": Service(site="ingest", port=settings.sites["ingest"].port, persistence="none")},
        passive_ports=Ports(first=ports[0], last=ports[1]),
        probe=probe or Probe(interval_s=0.2, timeout_s=1.0, rise=1, fall=2),
        spool=spool or Spool(folder=folder),
        reply_timeout_s=reply_timeout_s,
        node_tls="off",
    )
    limit = msgspec.structs.replace(
        settings.limits,
        **({"passive_accept_s": 3.0, "transfer_stall_s": 5.0, "publish_timeout_s": 1.0} | (limits or {})),
    )
    settings = change(msgspec.structs.replace(settings, balancer=balancer, limits=limit))
    tree = Tree()
    key = settings.cluster.token_key.read_bytes()
    fakes = [FakeNode(name, tree, node.address, key=key) for name, node in settings.nodes.items()]
    site = settings.sites["ingest"]
    for fake in fakes:
        await fake.start(site.port, settings.nodes[fake.name].management_port, cluster.management_token())
    program = Program(settings)
    await program.start()
    try:
        yield Bench(cluster, settings, program, fakes)
    finally:
        await program.stop()
        for fake in fakes:
            await fake.stop()
