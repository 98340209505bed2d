"""A simulated cluster that lives through a history, is healed, and is judged."""

import gc
import random

import msgspec

from cluster.content_id import content_id_of
from cluster.health import NodeState
from cluster.publish import Done, MakeDirectory, Policy, Publish, Reason, Remove, Rename, SetMtime
from replicator.core.head import winner
from replicator.core.hybrid_clock import MAX_DRIFT_NS
from replicator.core.place import Rest, plan
from tests.replicator.simulation import kernel
from tests.replicator.simulation.arriving import arrive, stage
from tests.replicator.simulation.damages import Damages
from tests.replicator.simulation.disk import Disk
from tests.replicator.simulation.faults import Faults
from tests.replicator.simulation.history import WINDOW_S, Event, History
from tests.replicator.simulation.judge import BrokenPromiseError, Judge, Operation, holds_anywhere
from tests.replicator.simulation.kernel import Machine, simulated
from tests.replicator.simulation.loop import Scheduler
from tests.replicator.simulation.members import Members
from tests.replicator.simulation.network import Network
from tests.replicator.simulation.node import REPLICATION, START_NS, TINY, SimulatedNode, settings_of
from tests.replicator.simulation.programs import Programs

READY_S = 3.0
SETTLE_S = 90.0


class World(Programs, Faults, Damages, Members):
    """One run of one history."""

    def __init__(self, history: History, tell=None) -> None:
        self.tell = tell
        self.history = history
        self.chance = random.Random(f"world {history.seed}")
        self.scheduler = Scheduler(self.chance)
        self.skipped_s = 0.0  # months that passed at once
        self.network = Network(self.scheduler, self.chance, self.monotonic_s)
        self.bug: BrokenPromiseError | None = None
        self.judge = Judge(self)
        careful = msgspec.structs.replace(REPLICATION, delete_budgets=TINY)
        self.whole_settings = self.settings = settings_of(
            [f"n{number}" for number in range(history.nodes)],
            careful if history.seed % 5 == 1 else REPLICATION,
            history.shape,
        )
        if history.mirror:
            name, last = list(self.settings.nodes.items())[-1]
            nodes = self.settings.nodes | {name: msgspec.structs.replace(last, read_only=True)}
            self.whole_settings = self.settings = msgspec.structs.replace(self.settings, nodes=nodes)
        self.nodes = [SimulatedNode(self, name) for name in self.settings.nodes]
        self.snapshots = {}
        self.twins = []
        self.healed = self.forgotten = False
        self._last_upload: Publish | None = None
        self._contents = 0
        self._requests = 0

    @property
    def members(self) -> list[SimulatedNode]:
        return [node for node in self.nodes if node.name in self.settings.nodes]

    def run(self) -> None:
        """Live through it; BrokenPromiseError when something that must hold does not."""
        for node in self.nodes:
            node.start()
        self._until(READY_S)
        for event in self.history.events:
            self.scheduler.at(READY_S + event.at_s, self._happen, event)
        self._until(READY_S + WINDOW_S)
        self._heal()
        if self.forgotten and (self.history.shape != "mesh" or self.history.mirror):
            self._settle("until all have heard all", self._unheard)
            # Or what a node between has lost cannot come to those behind it, nor go where a mirror alone knows it.
            self._compare_everywhere()
        self._settle("after the healing")
        self._everywhere(lambda node: node.engine.scrub.round(hurried=True))
        self._settle("after the scrubbing")
        self._compare_everywhere()
        self._settle("after a comparison")
        self._scan_everywhere()
        self._settle("after a scan")
        sequences = [node.index.clock.sequence for node in self.members]
        self._scan_everywhere()
        self._settle("after a second scan")
        if [node.index.clock.sequence for node in self.members] != sequences:
            raise BrokenPromiseError("reconciling again changed something")
        self.judge.verdict()

    def true_ns(self) -> int:
        """The time that right clocks show."""
        return START_NS + int(self.monotonic_s() * 1e9)

    def _until(self, moment_s: float) -> None:
        self.scheduler.run_until(moment_s)
        if self.bug is not None:
            raise self.bug

    def say(self, text: str) -> None:
        if self.tell:
            self.tell(f"{self.scheduler.now_s - READY_S:9.4f} {text}")

    def _happen(self, event: Event) -> None:
        node = self.nodes[event.node % len(self.nodes)]
        if node not in self.members:
            return
        self.say(f"= {event.kind} {node.name} {event.path} {event.other}")
        getattr(self, "_" + event.kind.replace("-", "_"))(node, event)

    # clients

    def _upload(self, node, event):
        content = self._content(event.number)
        mtime_ns = event.number * 10**9  # often older than what is there
        how = event.path, content, mtime_ns, event.other, "refuse" if event.number % 3 == 0 else "degrade"
        if event.number % 4 == 1:
            arrive(self, node, how, min(event.lasts_s, 3.0), is_cut=event.number % 8 == 1)
        else:
            self.publish(node, *how)

    def _repeat(self, node, event):
        """The client was cut off from its answer, and tries again elsewhere."""
        if self._last_upload is not None:
            self.publish(node, *self._last_upload)

    def publish(self, node, path, content, mtime_ns, nodes, when_short, staged=None):
        if node.program is None or node.state is not NodeState.READY:
            return
        self._last_upload = (path, content, mtime_ns, nodes, when_short)
        staged = staged or stage(self, node, content)
        node.disk.sync(node.disk.find(staged))
        content_id = content_id_of(content)
        operation = Operation(node, (path,), content_id)

        def answered(answer):
            if isinstance(answer, Done):
                self.judge.acknowledged_upload(operation, answer.copies)
            elif answer.reason in {Reason.IO_ERROR, Reason.DISK_FULL}:
                self.judge.failed(operation)
            self.say(f"{node.name} {path} {content_id[:6]}: {answer}")
            self.judge.closed(operation)

        request = Publish(
            id=self.next_number(), policy=Policy(nodes, when_short), path=path, staged=staged.rpartition("/")[2],
            content_id=content_id, size_bytes=len(content), mtime_ns=mtime_ns,
        )  # fmt: skip
        self.judge.opened(operation)
        node.ask(request, answered)

    def _remove(self, node, event, kind="file"):
        self._ask(node, (event.path,), Remove(id=1, policy=Policy(event.other), path=event.path, kind=kind))

    def _rmdir(self, node, event):
        self._ask(node, ("d",), Remove(id=1, policy=Policy(event.other), path="d", kind="directory"))

    def _mkdir(self, node, event):
        self._ask(node, ("d",), MakeDirectory(id=1, policy=Policy(event.other), path="d"))

    def _rename(self, node, event):
        self._ask(node, (event.path, event.other), Rename(id=1, source=event.path, target=event.other))

    def _mtime(self, node, event):
        self._ask(node, (event.path,), SetMtime(id=1, path=event.path, mtime_ns=event.number * 10**9))

    def _ask(self, node, paths, request):
        if node.program is None or node.state is not NodeState.READY:
            return
        operation = Operation(node, paths)

        def answered(answer):
            if isinstance(answer, Done):
                self.judge.acknowledged_change(operation)
            elif answer.reason in {Reason.IO_ERROR, Reason.DISK_FULL}:
                self.judge.failed(operation)
            self.say(f"{node.name} {paths}: {answer}")
            self.judge.closed(operation)

        self.judge.opened(operation)
        node.ask(request, answered)

    # the end

    def _heal(self):
        self.healed = True
        for pair in [pair for pair, count in self.network.cuts.items() if count]:
            while self.network.cuts[pair]:
                self.network.mend(*pair)
        for twin in self.twins:
            twin.leave()
        self.network.slow.clear()
        self.network.liars.clear()
        if self.chance.random() < 0.9:  # else a half-open connection is found by its silence alone
            self.network.reset_half_open()
        for node in self.nodes:
            node.blind = node.slow = node.is_away = False
            node.clock_error_ns = 0
            if node.program is not None:
                machine = node.program.machine
                machine.full, machine.fails, machine.crash_at = False, 0.0, 0

    def _settle(self, when: str, unrest_of=None):
        unrest_of = unrest_of or self._unrest
        end_s = self.scheduler.now_s + SETTLE_S
        while self.scheduler.now_s < end_s:
            self._until(self.scheduler.now_s + 1.0)
            for node in self.members:
                if node.program is None:
                    node.start()
                elif node.state is NodeState.FAILED:
                    self._replace_index(node)
                elif node.index.held:
                    self._decide(node)
            unrest = [why for node in self.members if (why := unrest_of(node))]
            if not unrest:
                return
            if self.scheduler.now_s > end_s - SETTLE_S / 2:
                self._delete_what_nobody_has()
        notices = {node.name: node.engine.condition.health().notices for node in self.members if node.engine}
        raise BrokenPromiseError(f"the cluster does not settle {when}: {unrest}, {notices}")

    def _delete_what_nobody_has(self):
        """Somebody deleted it past a replicator that then died: it is missing, until a person deletes it."""
        for node in self.members:
            if node.program is None:
                continue
            for path in sorted(node.index.pending):
                head = winner(node.index.place(path).heads)
                owed = head is None or head.content_id in self.judge.promised.keys() - self.judge.may_be_gone
                if not owed and not any(holds_anywhere(other, head.content_id) for other in self.members):
                    self._ask(node, (path,), Remove(id=1, policy=Policy("local"), path=path, kind="file"))

    def _decide(self, node):
        """Deletions are held back: what clients have deleted goes, what programs have may come back too."""
        heard = any(held.peer for held in node.index.held.values())
        self.say(f"= decides on {sorted(node.index.held)} of {node.name}")
        node.decide(restore=not heard and self.chance.random() < 0.5)

    def _unrest(self, node) -> str:
        """Why the node is not at rest, or nothing."""
        unheard = self._unheard(node)
        if unheard:
            return unheard
        index = node.index
        for link in node.engine.mesh.links:
            if link.facts.acked < index.durable_sequence:
                return f"{link.name} lags {node.name}: {link.facts.acked} of {index.durable_sequence} acknowledged"
        waiting = [path for path, place in index.places.items() if not isinstance(plan(place), Rest)]
        return f"{node.name} has still to do {waiting}" if waiting or index.pending else ""

    def _unheard(self, node) -> str:
        """Why there is something that the node or its peers are still to hear of, or nothing."""
        if node.state is not NodeState.READY:
            return f"{node.name} is {node.state and node.state.value}"
        node.program.take_turn()
        index = node.index
        if node.watching is None or node.watching._paths or node.watching._everything:
            return f"{node.name} does not watch or has marks"
        if index.held:
            return f"{node.name} holds deletions back"
        if index.durable_sequence != index.clock.sequence:
            return f"the index of {node.name} is not written"
        for link in node.engine.mesh.links:
            if not link.connected or link.heard_upto < index.durable_sequence:
                facts = f"connected {link.connected}, {link.heard_upto} of {index.durable_sequence} heard"
                return f"{link.name} has not heard {node.name}: {facts}"
        return "a connection is half-open" if self.network.has_half_open() else ""

    def _everywhere(self, work):
        tasks = []
        for node in self.members:
            node.program.take_turn()
            tasks.append(node.program.loop.create_task(work(node)))
        while not all(task.done() for task in tasks):
            self._until(self.scheduler.now_s + 1.0)
        for task in tasks:
            task.result()

    def _compare_everywhere(self):
        """What was lost without a trace comes back by this alone; and where nothing was, nothing differs."""
        self._everywhere(lambda node: node.engine.comparison.run(old_ns=-2 * MAX_DRIFT_NS))
        for node in self.members:
            found = node.engine.comparison.outcomes
            if len(found) != len(self.settings.peers_of(node.name)):
                raise BrokenPromiseError(f"{node.name} compared with {list(found)} alone")
            # A node that was put back may know what the others have forgotten that they deleted.
            if any(outcome.folders for outcome in found.values()) and not (self.forgotten or self.judge.memory_lost):
                raise BrokenPromiseError(f"all had settled, but {node.name} finds that its peers differ: {found}")

    def _scan_everywhere(self):
        for node in self.members:
            node.program.take_turn()
            node.watching.mark_everything()
        self._until(self.scheduler.now_s + 1.0)

    def _content(self, number: int) -> bytes:
        self._contents += 1
        return f"{self._contents}.".encode() + b"x" * (number % 40)

    def next_number(self) -> int:
        self._requests += 1
        return self._requests


class _Nobody:
    def __getattr__(self, name):
        raise kernel.Crashed


def run(history: History, tell=None) -> World:
    """Live through a history on simulated machines; BrokenPromiseError when something that must hold does not."""
    with simulated():
        world = World(history, tell)
        nobody = Machine(Disk(lambda: 0), lambda: 0, lambda: 0.0, None, lambda: None)
        nobody.dead = True
        gc.disable()
        try:
            world.run()
        finally:
            kernel.turn.machine = nobody
            for node in world.nodes + world.twins:
                if node.program is not None:
                    node.program.machine.dead = node.program.loop.dead = True
                    world.scheduler.bury(node.program.loop)
            kernel.turn.machine = nobody
            world.scheduler.run_as(None)
            gc.enable()
    return world
