"""Runs a balancer: everything is opened in order, and closed when a signal says so."""

import asyncio
import random
import resource
import signal
from pathlib import Path

from balancer.entrance import Entrance
from balancer.front_tls import FrontTls
from balancer.metrics import Metrics
from balancer.nodes import Nodes
from balancer.passive_ports import PassivePorts
from balancer.prober import Prober
from balancer.spool import SpoolBudget, new_file
from balancer.surroundings import Surroundings
from cluster.clock import monotonic_s
from cluster.health import BalancerHealth, NodeState
from cluster.log import logger
from cluster.management import Management
from cluster.problem import ConfigError, Problem
from cluster.read_settings import read_settings
from cluster.settings import Settings
from cluster.settings_rules import balancer_files, missing_files

log = logger(__name__)


def make_surroundings(settings: Settings) -> Surroundings:
    """Read the keys and make what the sessions share; ConfigError when a file is missing or does not do."""
    problems = missing_files(balancer_files(settings))
    if problems:
        raise ConfigError(problems)
    balancer = settings.balancer
    try:
        token_key = settings.cluster.token_key.read_bytes()
    except OSError as error:
        raise _unreadable(settings.cluster.token_key, error) from error
    try:
        new_file(balancer.spool.folder).close()
    except OSError as error:
        what = f"no file can be made in {balancer.spool.folder}: {error.strerror}"
        raise ConfigError((Problem("balancer.spool.folder", what, "name a folder it may write to"),)) from error
    return Surroundings(
        settings=settings,
        token_key=token_key,
        tls=FrontTls(settings),
        nodes=Nodes(settings.nodes, balancer.probe, monotonic_s),
        ports=PassivePorts(balancer.bind_address, balancer.passive_ports.all(), random.SystemRandom()),
        budget=SpoolBudget(balancer.spool),
        metrics=Metrics(),
    )


class Program:
    """A running balancer."""

    def __init__(self, settings: Settings) -> None:
        self.around = make_surroundings(settings)
        self._settings = settings
        self._entrance = Entrance(self.around)
        self._probes: list[asyncio.Task[None]] = []
        self._management = Management(
            health=self.health,
            registry=self.around.metrics.registry,
            token=read_token(settings.cluster.management_token),
        )

    async def start(self) -> None:
        """Open everything; OSError says in one line which address is busy."""
        address, port = self._settings.balancer.management
        try:
            await self._management.start(address, port)
        except OSError as error:
            message = f"management port {port} on {address}: {error.strerror}"
            raise OSError(error.errno, message) from error
        self.around.ports.open()
        for name in self._settings.nodes:
            prober = Prober(self._settings, name, self.around.token_key, self.around.nodes)
            self._probes.append(asyncio.get_running_loop().create_task(prober.run(), name=f"probe {name}"))
        await self._entrance.open()

    async def stop(self) -> None:
        """Close everything."""
        for probe in self._probes:
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        await self._entrance.close()
        self.around.ports.close()
        await self._management.stop()
        log.info("stopped")

    async def run(self, file: Path) -> None:
        """Serve until SIGTERM or SIGINT; at SIGHUP, `reload` from `file`."""
        # Every session takes up to four descriptors, and the passive ports one each.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload, file)
        try:
            await self.start()
            log.info("ready", vip=self._settings.balancer.vip)
            await stop.wait()
        finally:
            await self.stop()

    def reload(self, file: Path) -> None:
        """Read `file` and the certificate anew, for the handshakes to come; a bad one is logged and changes nothing."""
        problems: tuple[Problem, ...] = ()
        try:
            self.around.tls.adopt(read_settings(file))
        except ConfigError as error:
            problems = error.problems
        for problem in problems:
            log.error("reload refused", where=problem.where, what=problem.what, fix=problem.fix)
        if not problems:
            log.info("reloaded", file=str(file))

    def health(self) -> BalancerHealth:
        """What the balancer says of itself."""
        metrics, nodes = self.around.metrics, self.around.nodes.document()
        usable = any(node.usable for node in nodes)
        return BalancerHealth(
            state=NodeState.READY if usable else NodeState.FAILED,
            sessions=self._entrance.sessions,
            transfers=self._entrance.transfers,
            leases_free=self.around.ports.free,
            spool_bytes=self.around.budget.used_bytes,
            moved_sessions=metrics.total("balancer_moved_sessions"),
            repeated_uploads=metrics.total("balancer_repeated_uploads"),
            continued_downloads=metrics.total("balancer_continued_downloads"),
            nodes=nodes,
            notices=tuple(f"node {node.node}: {node.why}" for node in nodes if not node.usable),
        )


def read_token(file: Path) -> str:
    """The management token; ConfigError when the file cannot be read."""
    try:
        return file.read_text(encoding="latin-1").strip()
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> ConfigError:
    return ConfigError((Problem(str(file), f"cannot be read: {error.strerror}", "check its permissions"),))
