"""Two folders that a replicator keeps alike, ours and the peers', each pair on loopback addresses of its own."""

import contextlib
import datetime
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import click
import msgspec

from bench.processes import end
from cluster.clock import monotonic_s, now_ns
from cluster.content_id import ContentId, content_id_of
from cluster.publish import SOCKET_NAME, Arriving, Policy, Publish
from cluster.tree_path import STAGING
from compose.new_cluster import network_plan, write_cluster
from ftpnode.arrival import TOLD_FROM_BYTES
from ftpnode.ports import change
from ftpnode.replicator_client import ReplicatorClient
from ftpnode.staging import Staging

NETWORK = "127.77.8"
_START_S = 60.0
_SAID_EVERY_S = 10.0
_BEGAN_S = monotonic_s()
_PIECE_BYTES = 256 << 10
GIGABIT_BYTES_PER_S = 125e6
_EVERY_NODE = Policy(nodes="all", when_short="refuse")


@dataclass(frozen=True)
class Pair:
    """What is written below `source` comes to `target`."""

    name: str
    source: Path
    target: Path
    processes: tuple[subprocess.Popen, ...] = ()

    @property
    def word(self) -> str:
        """For names of files: two pairs may share their folders."""
        return self.name.split()[-1].lower()

    def put(self, name: str, content: bytes) -> None:
        """Write a file as any program does."""
        with (self.source / name).open("wb") as file:
            file.write(content)

    def settle(self) -> None:
        """For a replicator that runs only when it is told to: let it run."""

    def sent_mb(self) -> float | None:
        """What the source has sent over its connections so far, 10^6 bytes; None where it has none."""
        if not self.processes:
            return None
        found = subprocess.run(["ss", "-tinpHO"], check=True, capture_output=True, text=True).stdout
        pid = self.processes[0].pid
        children = (each for task in Path(f"/proc/{pid}/task").glob("*/children") for each in task.read_text().split())
        pids = (str(pid), *children)
        mine = [line for line in found.splitlines() if any(f"pid={each}," in line for each in pids)]
        if not mine:
            return None
        sent = [word.partition(":")[2] for line in mine for word in line.split() if word.startswith("bytes_sent:")]
        return sum(map(int, sent)) / 1e6


@dataclass(frozen=True)
class Notified(Pair):
    """Ours with files given by the publish protocol, as an ftpnode gives uploads; `put` ends when 226 would go out."""

    client: ReplicatorClient | None = None
    _names: Iterator[int] = field(default_factory=itertools.count)

    def put(self, name: str, content: bytes) -> None:
        if len(content) < TOLD_FROM_BYTES:
            self.publish(name, self.stage(content))
        else:
            self.receive(name, content)

    def stage(self, content: bytes) -> Publish:
        """What an ftpnode has done when the last byte is in, and then asks for; without the path."""
        staged, mtime_ns = f"bench-{os.getpid()}-{next(self._names)}", now_ns()
        with (self.source / STAGING / staged).open("xb") as file:
            file.write(content)
            file.flush()
            os.utime(file.fileno(), ns=(mtime_ns, mtime_ns))
            os.fsync(file.fileno())
        return _publish(staged, content_id_of(content), len(content), mtime_ns)

    def receive(self, name: str, content: bytes, bytes_per_s: float = math.inf) -> float:
        """Take an upload that comes so fast, as an ftpnode does; how long its client waits after it, in s."""
        assert self.client is not None
        staged = Staging(self.source).create()
        is_told, begin_s = False, monotonic_s()
        with ThreadPoolExecutor(1) as disk:
            for start in range(0, len(content), _PIECE_BYTES):
                staged.write(content[start : start + _PIECE_BYTES])
                if staged.is_flush_due():
                    disk.submit(staged.flush)
                if staged.size_bytes >= TOLD_FROM_BYTES and not is_told:
                    is_told = True
                    change(self.client, Arriving(id=0, path=name, staged=staged.name, policy=_EVERY_NODE), 10.0)
                threading.Event().wait(begin_s + staged.size_bytes / bytes_per_s - monotonic_s())
            end_s, mtime_ns = monotonic_s(), now_ns()
            staged.seal(mtime_ns)
            self.publish(name, _publish(staged.name, staged.content.content_id(), staged.size_bytes, mtime_ns))
            return monotonic_s() - end_s

    def publish(self, name: str, request: Publish) -> None:
        """Ask for the name, and wait until the policy is met."""
        assert self.client is not None
        change(self.client, msgspec.structs.replace(request, path=name), 120.0)


@dataclass(frozen=True)
class OnDemand(Pair):
    """rsync: copies what differs when it is run, and is told so at once; no network, which is in its favour."""

    def settle(self) -> None:
        command = [
            "rsync",
            "-a",
            "--fsync",
            "--no-whole-file",
            "--modify-window=-1",
            f"{self.source}/",
            f"{self.target}/",
        ]
        subprocess.run(command, check=True)


@dataclass
class Bench:
    """Starts pairs in one folder and ends them all."""

    folder: Path
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def ours(self, nodes: int = 2, name: str = "ours", network: str = NETWORK) -> tuple[Pair, Notified]:
        """Replicators of `nodes` nodes: the same first two, once written to as a folder, once told of uploads."""
        folder, addresses = self.cluster(name, nodes, network)
        names = [f"node{number}" for number in range(1, nodes + 1)]
        processes = tuple(self.node(folder, node) for node in names)
        for address in addresses:
            self.wait_ready(address, nodes - 1)
        source, target = (folder / node / "root" for node in names[:2])
        client = ReplicatorClient(folder / names[0] / "state" / SOCKET_NAME)
        self.stack.callback(client.close)
        told = Notified("Tripod, told", source, target, processes, client=client)
        return Pair("Tripod, watching", source, target, processes), told

    def cluster(self, name: str, nodes: int, network: str) -> tuple[Path, tuple[str, ...]]:
        """The folder of a cluster whose nodes are still to be started, with an empty root each, and their addresses."""
        folder = self.folder / name
        plan = network_plan("bench", nodes, network=network)
        write_cluster(folder, plan, datetime.datetime.now(datetime.UTC))
        for node in plan.nodes:
            (folder / node.root).mkdir(parents=True, exist_ok=True)
        return folder, tuple(node.address for node in plan.nodes)

    def node(self, folder: Path, name: str) -> subprocess.Popen:
        """One replicator."""
        command = [sys.executable, "-m", "replicator", "run", "--config", str(folder / "cluster.yaml"), "--node", name]
        return self._start(f"{folder.name}-{name}", command)

    def wait_ready(self, address: str, peers: int) -> dict:
        """Its health, when it is ready and in sync with so many peers."""

        def ready() -> dict | None:
            health = self.health(address)
            if health is None or health["state"] != "ready":
                return None
            in_sync = sum(bool(peer["in_sync"]) for peer in health["peers"])
            return health if in_sync >= peers else None

        def progress() -> str:
            health = self.health(address)
            return "silent" if health is None else f"{health['state']}, knows {health['files']:,} files"

        return wait(ready, f"the replicator at {address} is ready", 600.0, 0.005, progress)

    def health(self, address: str) -> dict | None:
        """The health document of the replicator at this address; None while it does not answer."""
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://{address}:8022/health", timeout=5) as answer,
        ):
            return json.load(answer)
        return None

    def syncthing(self) -> Pair | None:
        """Syncthing, watching with its shortest delay (1 s; its default is 10 s); None where it is not installed."""
        if shutil.which("syncthing") is None:
            return None
        homes, roots = [], []
        for number in (1, 2):
            home, root = self.folder / f"syncthing{number}", self.folder / f"syncthing-root{number}"
            (root / ".stfolder").mkdir(parents=True)
            subprocess.run(
                ["syncthing", "generate", f"--home={home}", "--no-default-folder"], check=True, capture_output=True
            )
            homes.append(home)
            roots.append(root)
        ids = [_device_id(home) for home in homes]
        for number, home in enumerate(homes):
            (home / "config.xml").write_text(_syncthing_config(ids, number, roots[number]))
        processes = tuple(
            self._start(
                home.name, ["syncthing", "serve", f"--home={home}", "--no-browser", "--no-restart", "--no-upgrade"]
            )
            for home in homes
        )
        _until_it_works("Syncthing", *roots)
        return Pair("Syncthing", *roots, processes)

    def lsyncd(self) -> Pair | None:
        """lsyncd with its shortest delay (1 s), by rsync into a folder of the same host; None where it is missing."""
        if shutil.which("lsyncd") is None or shutil.which("rsync") is None:
            return None
        source, target = self._two_roots("lsyncd")
        file = self.folder / "lsyncd.lua"
        file.write_text(
            "settings { nodaemon = true }\n"
            f'sync {{ default.rsync, source = "{source}", target = "{target}", delay = 1,\n'
            '  rsync = { archive = true, _extra = { "--fsync", "--no-whole-file", "--modify-window=-1" } } }\n'
        )
        process = self._start("lsyncd", ["lsyncd", str(file)])
        _until_it_works("lsyncd", source, target)
        return Pair("lsyncd", source, target, (process,))

    def rsync(self) -> Pair | None:
        """rsync, run by hand; None where it is not installed."""
        return OnDemand("rsync", *self._two_roots("rsync")) if shutil.which("rsync") else None

    def _two_roots(self, name: str) -> tuple[Path, Path]:
        source, target = self.folder / f"{name}-source", self.folder / f"{name}-target"
        source.mkdir()
        target.mkdir()
        return source, target

    def _start(self, name: str, command: list[str]) -> subprocess.Popen:
        log = (self.folder / f"{name}.log").open("wb")
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.stack.callback(end, process)
        self.stack.callback(log.close)
        return process


@contextlib.contextmanager
def bench_in(folder: Path) -> Iterator[Bench]:
    """A bench whose processes are ended at the end."""
    bench = Bench(folder)
    with bench.stack:
        yield bench


def say(text: str) -> None:
    """How far the bench is."""
    click.echo(f"[{monotonic_s() - _BEGAN_S:5.0f} s] {text}", err=True)


def wait(condition, what: str, timeout_s: float = _START_S, every_s: float = 0.001, progress=None):
    """The first true value of `condition`; SystemExit naming `what` after `timeout_s`. A long one says its progress."""
    begin_s, pause, said_s = monotonic_s(), threading.Event(), monotonic_s()
    while not (value := condition()):
        now_s = monotonic_s()
        if now_s > begin_s + timeout_s:
            raise SystemExit(f"still not after {timeout_s:g} s: {what}")
        if now_s > said_s + _SAID_EVERY_S:
            said_s = now_s
            say(f"since {now_s - begin_s:.0f} s: until {what}{f' ({progress()})' if progress else ''}")
        pause.wait(every_s)
    return value


def _publish(staged: str, content_id: str, size_bytes: int, mtime_ns: int) -> Publish:
    return Publish(
        id=0, path="", staged=staged, content_id=ContentId(content_id), size_bytes=size_bytes, mtime_ns=mtime_ns,
        policy=_EVERY_NODE,
    )  # fmt: skip


def _until_it_works(name: str, source: Path, target: Path) -> None:
    """Write a file every two seconds until one arrives: what is written while a peer starts may wait for its rescan."""
    for number in range(30):
        (source / f"probe-{number}").write_bytes(b"?")
        deadline_s = monotonic_s() + 2
        wait(lambda: monotonic_s() > deadline_s or any(target.glob("probe-*")), name, 5.0, 0.02)  # noqa: B023 - called at once
        if any(target.glob("probe-*")):
            return
    raise SystemExit(f"{name} does not work")


def _device_id(home: Path) -> str:
    device = ElementTree.parse(home / "config.xml").getroot().find("device")
    assert device is not None
    return device.attrib["id"]


def _syncthing_config(ids: list[str], mine: int, root: Path) -> str:
    addresses = [f"{NETWORK}.{31 + number}" for number in range(len(ids))]
    devices = "".join(
        f'<device id="{each}" name="{number}"><address>tcp://{addresses[number]}:22000</address></device>'
        for number, each in enumerate(ids)
    )
    shared = "".join(f'<device id="{each}"/>' for each in ids)
    return (
        '<configuration version="36">'
        f'<folder id="bench" label="bench" path="{root}" type="sendreceive" rescanIntervalS="3600" '
        f'fsWatcherEnabled="true" fsWatcherDelayS="1">{shared}<minDiskFree unit="%">0</minDiskFree></folder>{devices}'
        f'<gui enabled="true" tls="false"><address>{addresses[mine]}:8384</address><apikey>bench</apikey></gui>'
        f"<options><listenAddress>tcp://{addresses[mine]}:22000</listenAddress>"
        "<globalAnnounceEnabled>false</globalAnnounceEnabled><localAnnounceEnabled>false</localAnnounceEnabled>"
        "<relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled><startBrowser>false</startBrowser>"
        "<reconnectionIntervalS>1</reconnectionIntervalS><urAccepted>-1</urAccepted>"
        "<crashReportingEnabled>false</crashReportingEnabled><setLowPriority>false</setLowPriority>"
        "<autoUpgradeIntervalH>0</autoUpgradeIntervalH></options></configuration>"
    )
