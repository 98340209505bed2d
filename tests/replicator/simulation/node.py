"""One simulated node: a host with a disk and an index that outlive its programs, and the program that runs now."""

import asyncio
import itertools
import sqlite3
from pathlib import Path

import msgspec

from cluster.health import NodeState
from cluster.replication_settings import DeleteBudget, DeleteBudgets, Replication
from cluster.settings import Cluster, Node, Settings
from cluster.settings_values import Ports
from replicator.engine import Engine
from replicator.index.index import Index
from replicator.operators.approval import Approval
from replicator.peers.connection import first_of
from replicator.watching.watch import Watch
from tests.replicator.simulation import kernel
from tests.replicator.simulation.disk import Disk
from tests.replicator.simulation.kernel import Machine, SimulatedPath
from tests.replicator.simulation.loop import Loop
from tests.replicator.simulation.store import Rows, SimulatedWriter

START_NS = 1_800_000_000 * 10**9
ROOT = "root"
NOWHERE = Path("/nowhere")
REPLICATION = Replication(
    prepare_timeout_s=1.0,
    lease_s=3.0,
    reconnect_s=0.3,
    scan_interval_s=30.0,
    inline_bytes=24,
    delta_above_bytes=24,
    disk_reserve_bytes=0,
    staged_expiry_s=60.0,
    propagation_interval_s=0,
    scrub_days=0,
    compare_interval_s=0,
)


TINY = DeleteBudgets(found=DeleteBudget(files=1, at_least=1), peers=DeleteBudget(files=1, at_least=1))


def linked(replication: Replication, shape: str, names) -> Replication:
    """The same, with connections of these nodes in a `chain`, a `star` around the first, a `ring`, or in full mesh."""
    pairs = {
        "chain": itertools.pairwise(names),
        "star": [(names[0], name) for name in names[1:]],
        "ring": [*itertools.pairwise(names), *([(names[-1], names[0])] if len(names) > 2 else [])],
    }.get(shape)
    if pairs is None:
        return replication
    return msgspec.structs.replace(replication, mode="connections", connections=tuple(pairs))


def settings_of(names, replication=REPLICATION, shape="mesh") -> Settings:
    root, pem = SimulatedPath(f"/{ROOT}"), NOWHERE
    nodes = {
        name: Node(address=name, root=root, state=pem, certificate=pem, key=pem, passive_ports=Ports(first=1, last=2))
        for name in names
    }
    cluster = Cluster(name="test", ca=pem, token_key=pem, management_token=pem)
    return Settings(cluster=cluster, accounts={}, sites={}, nodes=nodes, balancer=None,
                    replication=linked(replication, shape, list(names)))  # fmt: skip


class SimulatedWatch(Watch):
    """Production's marks, without the kernel's events: the disk tells, if no fault keeps it from it."""

    def __init__(self, root, node) -> None:
        super().__init__(root)
        self._node = node

    def start(self):
        self._node.watching = self
        self.unanswered_s = None

    def stop(self):
        self._node.watching = None

    def touch_canary(self):
        if not self._node.blind and self._node.watching is self:
            self.unanswered_s = None
        elif self.unanswered_s is None:
            self.unanswered_s = kernel.monotonic_s()


class Program:
    """A replicator that runs on a node; dead when it crashed or ended."""

    def __init__(self, node: "SimulatedNode", settings: Settings) -> None:
        self.node = node
        world = node.world
        self.machine = Machine(
            node.disk, node.wall_ns, world.monotonic_s, world.chance, lambda: node.die(power=node.brittle)
        )
        self.loop = Loop(world.scheduler, self.take_turn, node.latency_s)
        self.ended = None
        self.take_turn()
        writer = SimulatedWriter(node.rows, self.loop, self.machine)
        self.index = Index(writer, node.name, kernel.secrets.token_hex(8))
        self.watch = SimulatedWatch(settings.nodes[node.name].root, node)
        self.engine = Engine(settings, node.name, self.index, self.watch, self._dial)
        self.engine.listen = self._listen
        self.engine._scan.many = 2
        self.engine._worker.many = 2
        self.index.feed = self._feed
        self.stop = asyncio.Event()
        self.running = self.loop.create_task(self._run())

    def take_turn(self):
        kernel.turn.machine = self.machine

    async def _dial(self, site):
        return await self.node.world.network.dial(self.node.host, site.peer)

    async def _listen(self):
        if self.node.is_dialled:
            self.node.world.network.listen(self.node.host, self.loop, self.engine.door.answer)

    def _feed(self, path, event):
        before = self.index.place(path)
        place = Index.feed(self.index, path, event)
        if self.node.is_dialled:
            self.node.world.judge.fed(self.node, path, event, before, place)
        return place

    async def _run(self):
        try:
            async with asyncio.TaskGroup() as tasks:
                work = tasks.create_task(self.engine.work())
                await self.stop.wait()
                for link in self.engine.mesh.links:
                    link.ending = True
                work.cancel()
        except* (OSError, sqlite3.Error) as group:
            self.ended = first_of(group)  # production ends with this line, and its supervisor starts it again
        except* Exception as group:  # noqa: BLE001 whatever else it is, it is a bug
            self.node.world.judge.bug(f"{self.node.name} broke down: {first_of(group)!r}", first_of(group))
        finally:
            await self.engine.close()
            self.node.world.network.drop(self.node.host, silently=False)
            self.node.ended(self)


class SimulatedNode:
    """A host."""

    is_dialled = True

    def __init__(self, world, name: str) -> None:
        self.world, self.name = world, name
        self.host = name
        self.is_away = False
        self.clock_error_ns = 0
        self.brittle = True
        self.slow = False
        self.program: Program | None = None
        self.boots = 0
        self.new_disk()

    def new_disk(self):
        """A new, empty disk, and no index."""
        self.blind, self.watching = False, None
        self.disk, self.rows = Disk(self.wall_ns), Rows()
        self.disk.mkdir(ROOT)
        self.disk.sync(self.disk.root)
        self.disk.seen = self._seen

    def wall_ns(self) -> int:
        return START_NS + self.clock_error_ns + int(self.world.monotonic_s() * 1e9)

    def latency_s(self) -> float:
        return self.world.chance.uniform(0.0001, 0.002) * (300 if self.slow else 1)

    @property
    def engine(self) -> Engine | None:
        return self.program.engine if self.program else None

    @property
    def index(self) -> Index:
        return self.program.index

    @property
    def state(self) -> NodeState | None:
        return self.engine.condition.health().state if self.program else None

    def start(self):
        if self.program is None and not self.is_away and self.name in self.world.settings.nodes:
            self.program = Program(self, self.world.settings)

    def die(self, *, power: bool):
        """At once; with `power` the host too, and what its disk had not fsynced."""
        self.boots += power
        program = self.program
        if program is None:
            return
        self.program = None
        program.machine.dead = program.loop.dead = True
        self.watching = None
        self.world.network.drop(self.host, silently=power)
        if power:
            self.disk.lose_power(self.world.chance)
        self.world.scheduler.graveyard.append(program.loop)
        self._died()

    def _died(self):
        self.world.judge.died(self)

    def ended(self, program: Program):
        """The program has ended by itself or was told to."""
        if self.program is program:
            self.program = None
            program.machine.dead = program.loop.dead = True
            self.world.scheduler.graveyard.append(program.loop)
            self._died()
            if not program.stop.is_set():
                self.world.scheduler.after(1.0, self.start)

    def ask(self, make_request, answered):
        """Ask the program, as the ftpnode does; `answered` hears the answer, if there is one."""
        program = self.program

        async def asking():
            try:
                answered(await program.engine.publishing.answer(make_request))
            except Exception as error:  # noqa: BLE001 whatever it is, it is a bug
                self.world.judge.bug(f"{self.name} broke on {make_request}: {error!r}", error)

        program.take_turn()
        program.loop.create_task(asking())

    def decide(self, *, restore: bool):
        """An operator approves the deletions that are held back, or takes them back."""
        program = self.program
        approval = Approval(program.engine.replica, program.engine.progressed)
        program.take_turn()
        program.loop.create_task(approval.restore() if restore else approval.approve())

    def _seen(self, path: str, deleted: bool):
        watch = self.watching
        if watch is not None and not self.blind and path.startswith(f"{ROOT}/") and ".tripod" not in path:
            self.world.scheduler.after(
                self.world.chance.uniform(0.001, 0.02), self._mark, watch, path.removeprefix(f"{ROOT}/"), deleted
            )

    def _mark(self, watch, path, deleted):
        if self.watching is watch and self.program is not None:
            self.program.take_turn()
            watch.mark(path, deleted=deleted)


class Twin(SimulatedNode):
    """A copy of a host that runs beside it, under the same name, with the same index; its address is not its own."""

    is_dialled = False

    def __init__(self, world, node: SimulatedNode) -> None:
        super().__init__(world, node.name)
        self.host = f"{node.name}'"
        self.disk, self.rows = node.disk.copy(), node.rows.copy()
        self.disk.now_ns, self.disk.seen = self.wall_ns, self._seen
        self._has_left = False

    def start(self):
        if not self._has_left:
            super().start()

    def leave(self):
        """Somebody has noticed."""
        self._has_left = True
        self.die(power=False)

    def _died(self):
        """No client has asked it for anything."""
