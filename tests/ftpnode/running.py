"""Starts a real ftpnode on a lab cluster and stops it again."""

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.ftpnode.raw_client import RawClient
from tests.kit.wait import PATIENCE_S, until


class RunningNode:
    """One ftpnode process; `client` logs in as an account."""

    def __init__(self, cluster, name="node1"):
        self.cluster = cluster
        self.name = name
        self.node = cluster.settings.nodes[name]
        self.host = self.node.address
        self.root = self.node.root
        self.log_file = Path(cluster.folder) / f"{name}.log"
        self.start()

    def start(self):
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "ftpnode",
                    "--config",
                    self.cluster.file,
                    "--node",
                    self.name,
                    "--log-format",
                    "json",
                ],
                stderr=log,
            )
        try:
            until(self._answers, "ftpnode answers")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)

    def _answers(self):
        assert self.process.poll() is None, self.log_file.read_text()
        with contextlib.suppress(OSError):
            socket.create_connection((self.host, self.node.management_port), timeout=1).close()
            return True
        return False

    def port(self, site="ingest"):
        return self.cluster.settings.sites[site].port

    def connect(self, site="ingest", **more):
        return RawClient(self.host, self.port(site), **more)

    def client(self, account="station", site="ingest", **more):
        client = self.connect(site, **more)
        if account == "anonymous":
            return client.login("anonymous", "me@example.org")
        return client.login(account, self.cluster.passwords[account])

    def tls_context(self):
        context = ssl.create_default_context(cafile=str(self.cluster.ca))
        context.check_hostname = False
        return context

    def health(self):
        return self.document("health")

    def document(self, name, token=None):
        token = self.cluster.management_token() if token is None else token
        request = urllib.request.Request(
            f"http://{self.host}:{self.node.management_port}/{name}",
            headers={"Authorization": f"Bearer {token}"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.host}:{self.node.management_port}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def act(self, action, token=None):
        token = self.cluster.management_token() if token is None else token
        request = urllib.request.Request(
            f"http://{self.host}:{self.node.management_port}/{action}",
            method="POST",
            headers={"Authorization": f"Bearer {token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def events(self, event):
        """The log lines of one event."""
        lines = [json.loads(line) for line in self.log_file.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def staged(self):
        return [path.name for path in (self.root / ".tripod" / "staging").iterdir()]

    def tracebacks(self):
        return [line for line in self.log_file.read_text().splitlines() if "Traceback" in line]


@contextlib.contextmanager
def running(cluster, **more):
    node = RunningNode(cluster, **more)
    try:
        yield node
    finally:
        if node.process.poll() is None:
            node.stop()
    assert not node.tracebacks(), node.log_file.read_text()
