"""Runs one node's ftpnode as several processes: opens the ports, keeps the tally, answers operators for all workers."""

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry

from cluster.live import Reloaded
from cluster.log import LogFormat, logger
from cluster.metric_families import SummedMetrics
from cluster.problem import ConfigError
from cluster.settings import AccessLogFiles, Settings
from ftpnode.access_logs import AccessLogs
from ftpnode.account_usages import account_usages
from ftpnode.core.reload import changed_sections
from ftpnode.drain import Drain
from ftpnode.fresh_settings import cannot_use, read_anew, with_certificates
from ftpnode.listening import cannot_listen, close_ports, open_ports
from ftpnode.operators import Operators, log_refusal
from ftpnode.service import has_replicator, publisher_of
from ftpnode.sftp_door.host_key import read_host_key
from ftpnode.staging import Staging
from ftpnode.tally import NodeTally
from ftpnode.vital_signs import INTERVAL_S, VitalSigns
from ftpnode.workers.crew import Crew

log = logger(__name__)


class Supervisor:
    """Making it binds the ports and looks at all that the workers will need; ConfigError says what is wrong."""

    def __init__(self, settings: Settings, name: str, file: Path, log_format: LogFormat) -> None:
        self._name = name
        self._file = file
        node = settings.nodes[name]
        self._opened = open_ports(settings, name)
        try:
            token = settings.cluster.management_token.read_text().strip()
            self._drain = Drain(node.state)
            _try_what_workers_need(settings, name)
            left = Staging(node.root).prepare()
        except OSError as error:
            close_ports(self._opened)
            raise cannot_use(error, name) from error
        except ConfigError:
            close_ports(self._opened)
            raise
        self._publisher = publisher_of(settings, name)
        tally = NodeTally(self._drain)
        self._crew = Crew(settings, name, tally, self._opened, log_format)
        self._ended = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._vital_signs = VitalSigns(
            settings,
            name,
            replicator=self._publisher if has_replicator(settings) else None,
            drain=self._drain,
            sessions=lambda: tally.sessions,
            transfers=lambda: self._crew.transfers,
            workers=lambda: (self._crew.serving, self._crew.wanted),
        )
        operators = Operators(
            drain=self._drain,
            tally=tally,
            vital_signs=self._vital_signs,
            kick=self._crew.kick,
            reload=self._reload,
        )
        registry = CollectorRegistry()
        registry.register(SummedMetrics(lambda: self._crew.metrics))
        self._management = operators.management(
            token=token,
            registry=registry,
            sessions=self._crew.sessions,
            usage=lambda: asyncio.to_thread(account_usages, self._crew.settings, self._publisher),
            refresh=self._crew.look,
        )
        self._loop = asyncio.new_event_loop()
        try:
            self._loop.run_until_complete(self._management.start(*node.management))
        except OSError as error:
            self.close()
            raise cannot_listen(f"nodes.{name}.management_port", node.management, error) from error
        log.info("started", node=name, left_over_uploads=left, draining=self._drain.draining, workers=node.workers)

    def run(self) -> None:
        """Serve until `stop`."""
        self._loop.run_until_complete(self._serve())
        log.info("stopped", node=self._name)

    def stop(self) -> None:
        """End `run`; from any thread or signal handler."""
        self._loop.call_soon_threadsafe(self._ended.set)

    def reload(self) -> None:
        """Follow cluster.yaml as it is now, or say in the log why not; from any thread or signal handler."""
        self._loop.call_soon_threadsafe(self._hang_up)

    def close(self) -> None:
        """Give back every socket and thread."""
        self._loop.run_until_complete(self._management.stop())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        self._publisher.close()
        close_ports(self._opened)

    async def _serve(self) -> None:
        keeping = asyncio.create_task(self._crew.keep())
        looking = asyncio.create_task(self._look())
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait((keeping, looking, ended), return_when=asyncio.FIRST_COMPLETED)
        close_ports(self._opened)
        self._crew.finish()
        await keeping
        if looking.done():
            looking.result()
        looking.cancel()

    async def _look(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._vital_signs.look)
            except OSError as error:
                log.warning("cannot look at the disk", why=str(error))
            await self._crew.look()
            await asyncio.sleep(INTERVAL_S)

    def _hang_up(self) -> None:
        self._hanging_up = self._loop.create_task(self._reload_by_signal())

    async def _reload_by_signal(self) -> None:
        await self._begin_logs(self._crew.settings.nodes[self._name].logs)
        await self._crew.reopen_logs()
        try:
            await self._reload()
        except ConfigError as error:
            log_refusal(error)

    async def _reload(self) -> Reloaded:
        """All workers follow, or none: each makes ready first."""
        async with self._reloading:
            old = self._crew.settings
            fresh = await asyncio.to_thread(read_anew, self._file, old, self._name)
            if problems := await self._crew.consider(fresh.settings):
                raise ConfigError(problems)
            await self._begin_logs(fresh.settings.nodes[self._name].logs)
            await self._crew.adopt(fresh.settings)
            changed = changed_sections(old, fresh.settings)
            log.info("reloaded", file=str(self._file), changed=changed)
            return Reloaded(changed)

    async def _begin_logs(self, files: AccessLogFiles) -> None:
        """Write the head of new log files, so that the workers find files that have begun."""
        try:
            await asyncio.to_thread(lambda: AccessLogs(files).close())
        except OSError as error:
            log.warning("cannot open a log", file=str(error.filename), why=error.strerror)


def _try_what_workers_need(settings: Settings, name: str) -> None:
    """ConfigError or OSError for what would fail in every worker alike."""
    with_certificates(settings, name)
    settings.cluster.token_key.read_bytes()
    AccessLogs(settings.nodes[name].logs).close()
    if settings.cluster.sftp_host_key and any(site.sftp_port for site in settings.sites.values()):
        read_host_key(settings.cluster.sftp_host_key)
