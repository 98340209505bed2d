"""What happens to the cluster itself: nodes that are away for months, leave, come back, or run twice."""

import msgspec

from replicator.disk.marker import ROLLED_BACK, STALE
from tests.replicator.simulation.node import Twin, linked

MONTHS_S = 70 * 86_400.0


class Members:
    """The part of a world that it is; each method without a promise is a kind of event."""

    def monotonic_s(self) -> float:
        """What clocks show that nobody sets."""
        return self.scheduler.now_s + self.skipped_s

    def _away(self, node, event):
        """The node is away while months pass, and comes back as it was."""
        if len(self.members) > 1:
            node.die(power=False)
            node.is_away = True
            self.scheduler.after(0.5, self._skip)
            self.scheduler.after(2.5 + event.lasts_s, self._return, node)

    def _skip(self):
        self.skipped_s += MONTHS_S

    def _return(self, node):
        node.is_away = False
        node.start()

    def _leave(self, node, event):
        """The node is taken out of the cluster file, and perhaps put in again: with its disk, and perhaps its index."""
        if len(self.members) < 3:
            return
        self.judge.loses(node)
        self.judge.memory_lost = True  # that it replaced something, perhaps nobody else had heard
        self._restart_with({other.name for other in self.members} - {node.name})
        if event.number % 3:
            self.scheduler.after(2.0 + event.lasts_s, self._come_back, node, event.number % 3 == 1)

    def _come_back(self, node, as_new):
        if self.healed:
            return
        if as_new:
            self.judge.memory_lost = True
            node.rows.tables.clear()
        self._restart_with({other.name for other in self.members} | {node.name})

    def _restart_with(self, names):
        nodes = {name: site for name, site in self.whole_settings.nodes.items() if name in names}
        replication = linked(self.whole_settings.replication, self.history.shape, list(nodes))
        self.settings = msgspec.structs.replace(self.whole_settings, nodes=nodes, replication=replication)
        for node in self.nodes:
            if node.program is not None:
                node.program.take_turn()
                self.scheduler.after(0, node.program.stop.set, loop=node.program.loop)
            self.scheduler.after(1.0, node.start)

    def _clone(self, node, event):
        """The host was copied, and both run; nobody dials the copy."""
        if node.program is not None:
            twin = Twin(self, node)
            self.twins.append(twin)
            self.scheduler.after(event.lasts_s, twin.start)

    def _replace_index(self, node):
        """What the notice in the health document asks of an operator."""
        if {ROLLED_BACK, STALE} & {*node.engine.condition.health().notices}:
            node.die(power=False)
            self.judge.memory_lost = True
            node.rows.tables.clear()
            node.start()
