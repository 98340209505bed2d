"""A real ftpnode of several workers, and ways to reach each of them."""

import contextlib
import os
import re
import signal
from pathlib import Path

from tests.ftpnode.raw_client import RawClient
from tests.ftpnode.running import RunningNode
from tests.kit.balancer_header import balancer_header
from tests.kit.wait import until


def with_workers(cluster, workers, **accounts):
    """The cluster, whose first node is to have so many workers; `accounts` get these limits."""
    text = cluster.file.read_text()
    assert "  node1:\n" in text
    text = text.replace("  node1:\n", f"  node1:\n    workers: {workers}\n")
    for account, limits in accounts.items():
        assert text.count(f"\n  {account}:") == 1
        text = re.sub(rf"(\n  {account}:.*)", rf"\1\n    limits: {limits}", text)
    cluster.file.write_text(text)
    return cluster


class RunningCrew(RunningNode):
    """`at` makes one worker take what connects, by stopping (SIGSTOP) the others for that time."""

    def __init__(self, cluster, workers):
        self.count = workers
        self._clients = []
        super().__init__(cluster)

    def start(self):
        super().start()
        self.until_whole()

    def until_whole(self):
        """Until all workers serve."""
        until(lambda: not [text for text in self.health()["notices"] if "workers" in text], "all workers serve", 60)

    @property
    def pids(self):
        """The process of every worker by its number; of the last one, where one has died."""
        return {event["worker"]: event["pid"] for event in self.events("worker serves")}

    @contextlib.contextmanager
    def only(self, number):
        """While this lasts, no other worker does anything."""
        others = [pid for other, pid in self.pids.items() if other != number]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: all(state(pid) == "T" for pid in others), "the others stand still")
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    def at(self, number, address="198.51.100.1"):
        """A session with one worker, of a client that comes through the balancer."""
        header = balancer_header(self.cluster, address, session="")
        vip = self.cluster.settings.balancer.source_addresses[0]
        with self.only(number):
            client = RawClient(self.host, self.port(), source=vip, before=header)
        self._clients.append(client)
        return client

    def leave(self):
        """End every session of `at`, and wait until the node has seen it."""
        self.hang_up()
        until(lambda: not self.document("sessions")["sessions"] and not self.health()["sessions"], "all have left")

    def hang_up(self):
        """End every session of `at`."""
        while self._clients:
            self._clients.pop().close()

    def everywhere(self, address="198.51.100.1"):
        """A session with every worker, in their order."""
        return [self.at(number, address) for number in range(1, self.count + 1)]

    def log_in(self, client, account="station"):
        client.ask(f"USER {account}")
        return client.ask(f"PASS {self.cluster.passwords[account]}")

    def processes(self):
        """The supervisor and every worker that ever served, as far as they run."""
        workers = [event["pid"] for event in self.events("worker serves")]
        return [pid for pid in (self.process.pid, *workers) if state(pid) not in "XZ"]

    def metric(self, pattern):
        """The value of the first metric line that begins so."""
        found = re.search(rf"^{re.escape(pattern)} (\S+)$", self.metrics(), re.MULTILINE)
        return float(found[1]) if found else 0.0


def state(pid):
    """How a process is, as /proc says it; X when it is not there (any more)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "X"
    return text.rpartition(")")[2].split()[0]


@contextlib.contextmanager
def running_crew(cluster, workers):
    crew = RunningCrew(cluster, workers)
    try:
        yield crew
    finally:
        crew.hang_up()
        if crew.process.poll() is None:
            crew.stop()
        until(lambda: not crew.processes(), "no process is left")
    assert not crew.tracebacks(), crew.log_file.read_text()
