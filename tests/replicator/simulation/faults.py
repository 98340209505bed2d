"""What befalls the hosts of a simulated cluster, their disks, and the network between them."""

YEAR_NS = 365 * 86_400 * 10**9


class Faults:
    """The part of a world that it is; each method without a promise is a kind of event."""

    def _power_cut(self, node, event):
        node.die(power=True)
        self.scheduler.after(event.lasts_s, node.start)

    def _kill(self, node, event):
        node.die(power=False)
        self.scheduler.after(event.lasts_s, node.start)

    def _crash_at_call(self, node, event):
        """At the so-many-th call to the kernel or to the index from now on."""
        if node.program is not None:
            node.brittle = event.number % 2 == 0
            node.program.machine.crash_at = node.program.machine.calls + 1 + event.number // 4
            self.scheduler.after(event.lasts_s + 0.2, self._restart_if_dead, node)

    def _restart_if_dead(self, node):
        if node.program is None:
            node.start()

    def _stop(self, node, event):
        if node.program is not None:
            node.program.take_turn()
            self.scheduler.after(0, node.program.stop.set, loop=node.program.loop)
            self.scheduler.after(1.0 + event.lasts_s, node.start)

    def _cut(self, node, event):
        other = self.nodes[int(event.other)]
        for pair in ((node.name, other.name), (other.name, node.name)):
            self.network.cut(*pair)
            self.scheduler.after(event.lasts_s, self.network.mend, *pair)

    def _cut_one_way(self, node, event):
        other = self.nodes[int(event.other)]
        self.network.cut(node.name, other.name)
        self.scheduler.after(event.lasts_s, self.network.mend, node.name, other.name)

    def _reset(self, node, event):
        self.network.reset(node.name, self.nodes[int(event.other)].name)

    def _blind(self, node, event):
        node.blind = True

    def _clock(self, node, event):
        sign = 1 if event.number % 2 else -1
        node.clock_error_ns = sign * (event.number * YEAR_NS // 20 if event.number % 3 else event.number * 10**9)

    def _disk_full(self, node, event):
        self._machine_fault(node, event, "full", True, False)

    def _disk_fails(self, node, event):
        self._machine_fault(node, event, "fails", 0.05, 0.0)

    def _machine_fault(self, node, event, name, value, healed):
        if node.program is not None:
            setattr(node.program.machine, name, value)
            self.scheduler.after(event.lasts_s, setattr, node.program.machine, name, healed)

    def _slow(self, node, event):
        node.slow = True
        self.network.slow.add(node.name)

    def _lie(self, node, event):
        """What the node sends is not what it has: other bytes, paths that lead out of the root, stamps of next year."""
        self.network.liars.add(node.name)
        self.scheduler.after(event.lasts_s, self.network.liars.discard, node.name)

    def _wipe(self, node, event):
        node.die(power=True)
        self.judge.loses_disk(node)
        node.new_disk()
        self.scheduler.after(event.lasts_s, node.start)

    def _roll_back(self, node, event):
        """The host is a virtual machine, and is put back to a snapshot of a while ago."""
        self.snapshots[node.name] = (node.disk.copy(), node.rows.copy()) if node.program else None
        self.scheduler.after(event.lasts_s, self._put_back, node)

    def _put_back(self, node):
        snapshot = self.snapshots.pop(node.name, None)
        if snapshot is None or self.healed:
            return
        node.die(power=True)
        self.judge.loses_disk(node)
        node.disk, node.rows = snapshot
        node.disk.seen = node._seen
        node.start()
