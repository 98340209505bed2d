"""Runs one node's ftpnode in one process: the server, its management endpoint, and what operators ask of it."""

import asyncio
from concurrent.futures import Future
from pathlib import Path

from cluster import clock
from cluster.live import Reloaded
from cluster.log import logger
from cluster.management import ManagementThread
from cluster.problem import ConfigError
from cluster.settings import Settings
from ftpnode.account_usages import account_usages
from ftpnode.drain import Drain
from ftpnode.fresh_settings import FreshSettings, cannot_use, read_anew
from ftpnode.listening import cannot_listen, close_ports, open_ports
from ftpnode.live_sessions import kick, live_sessions
from ftpnode.operators import Operators, log_refusal
from ftpnode.server import Server
from ftpnode.service import Service
from ftpnode.tally import NodeTally
from ftpnode.vital_signs import INTERVAL_S, VitalSigns

log = logger(__name__)


class Alone:
    """All of one ftpnode. Making it binds the ports; ConfigError says which one is taken, or what else is wrong."""

    def __init__(self, settings: Settings, name: str, file: Path) -> None:
        self._name = name
        self._file = file
        self._looking = False
        opened = open_ports(settings, name)
        try:
            self._token = settings.cluster.management_token.read_text().strip()
            self._drain = Drain(settings.nodes[name].state)
            self._tally = NodeTally(self._drain)
            self._service = Service(settings, name, self._tally)
            left = self._service.staging.prepare()
            self._server = Server(self._service, opened)
        except OSError as error:
            close_ports(opened)
            raise cannot_use(error, name) from error
        except ConfigError:
            close_ports(opened)
            raise
        service = self._service
        self._vital_signs = VitalSigns(
            settings,
            name,
            replicator=service.publisher if service.has_replicator else None,
            drain=self._drain,
            sessions=lambda: service.sessions.count,
            transfers=lambda: service.sessions.transfers,
        )
        try:
            self._management = self._manage()
        except ConfigError:
            self._server.close()
            raise
        log.info("started", node=name, left_over_uploads=left, draining=self._drain.draining)

    def run(self) -> None:
        """Serve until `stop`."""
        self._look()
        self._server.ioloop.call_every(INTERVAL_S, self._look)
        self._server.run()
        log.info("stopped", node=self._name)

    def stop(self) -> None:
        """End `run`; from any thread or signal handler."""
        self._server.stop()

    def reload(self) -> None:
        """Follow cluster.yaml as it is now, or say in the log why not; from any thread or signal handler."""
        self._server.threads.soon(self._reload)

    def close(self) -> None:
        """Give back every socket and thread."""
        self._management.stop()
        self._server.close()

    def _reload(self) -> None:
        self._service.access_logs.reopen()

        def read(future: Future[FreshSettings]) -> None:
            error = future.exception()
            if error is None:
                self._adopt(future.result())
            elif isinstance(error, ConfigError):
                log_refusal(error)
            else:
                raise error

        self._server.threads.run(self._service.workers.watch, self._read_anew, read)

    def _read_anew(self) -> FreshSettings:
        return read_anew(self._file, self._service.settings, self._name)

    def _adopt(self, fresh: FreshSettings) -> Reloaded:
        reloaded = self._server.adopt(fresh)
        log.info("reloaded", file=str(self._file), changed=reloaded.changed)
        return reloaded

    def _manage(self) -> ManagementThread:
        service = self._service
        operators = Operators(
            drain=self._drain,
            tally=self._tally,
            vital_signs=self._vital_signs,
            kick=self._kick,
            reload=self._reload_now,
        )
        management = operators.management(
            token=self._token,
            registry=service.metrics.registry,
            sessions=lambda: live_sessions(service.sessions, clock.monotonic_s()),
            usage=lambda: asyncio.to_thread(account_usages, service.settings, service.publisher),
        )
        address = service.node.management
        try:
            return ManagementThread(management, *address)
        except OSError as error:
            raise cannot_listen(f"nodes.{self._name}.management_port", address, error) from error

    async def _kick(self, session: str) -> int:
        return await asyncio.wrap_future(self._server.on_loop(lambda: kick(self._service.sessions, session)))

    async def _reload_now(self) -> Reloaded:
        fresh = await asyncio.to_thread(self._read_anew)
        return await asyncio.wrap_future(self._server.on_loop(lambda: self._adopt(fresh)))

    def _look(self) -> None:
        if not self._looking:
            self._looking = True
            self._server.threads.run(self._service.workers.watch, self._vital_signs.look, self._looked)

    def _looked(self, future: Future[None]) -> None:
        self._looking = False
        if error := future.exception():
            log.warning("cannot look at the disk", why=str(error))
