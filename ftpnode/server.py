"""Runs one node's ftpnode: listens on every site, serves the management endpoint, stops when it is told to."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Final, TypeVar

from pyftpdlib.ioloop import IOLoop

from cluster import clock
from cluster.health import FtpnodeHealth
from cluster.live import Affected, Reloaded
from cluster.log import logger
from cluster.management import Management, ManagementThread
from cluster.problem import ConfigError, Problem
from cluster.settings import Settings
from ftpnode.fresh_settings import FreshSettings, adopt, node_identity, read_anew
from ftpnode.live_sessions import kick, live_sessions
from ftpnode.pyftpdlib_door.listener import Listener
from ftpnode.pyftpdlib_door.off_loop import OffLoop
from ftpnode.pyftpdlib_door.session import Session
from ftpnode.pyftpdlib_door.tls import TlsIdentity
from ftpnode.service import Service
from ftpnode.sftp_door.host_key import read_host_key
from ftpnode.sftp_door.listener import SftpListener
from ftpnode.vital_signs import INTERVAL_S

log = logger(__name__)
T = TypeVar("T")

_LAST_PUBLISHES_S: Final = 5.0


class Server:
    """All of one ftpnode. Making it binds the ports; ConfigError says which one is taken, or what else is wrong."""

    def __init__(self, settings: Settings, name: str, file: Path) -> None:
        self._file = file
        try:
            self.service = Service(settings, name)
            left = self.service.staging.prepare()
        except OSError as error:
            where, fix = str(error.filename or name), "check the path and its permissions"
            raise ConfigError((Problem(where, f"cannot be used: {error.strerror}", fix),)) from error
        identity = node_identity(self.service.node)
        self._ioloop = IOLoop()
        self._threads = OffLoop(self._ioloop)
        self._stopping = False
        self._looking = False
        self._management: ManagementThread | None = None
        try:
            self._listeners = [self._listen(site, identity) for site in settings.sites]
            self._sftp_listeners = [
                self._listen_sftp(site) for site in settings.sites if settings.sites[site].sftp_port
            ]
            self._management = self._manage()
        except ConfigError:
            self.close()
            raise
        log.info("started", node=name, left_over_uploads=left, draining=self.service.drain.draining)

    def run(self) -> None:
        """Serve until `stop`, then let the publishes that are under way finish, for a moment."""
        self._look()
        self._ioloop.call_every(INTERVAL_S, self._look)
        timeout_s = None
        while not self._stopping:
            timeout_s = self._ioloop.loop(timeout_s, blocking=False)
        deadline_s = clock.monotonic_s() + _LAST_PUBLISHES_S
        for listener in (*self._listeners, *self._sftp_listeners):
            listener.close()
        while self.service.publishing and clock.monotonic_s() < deadline_s:
            self._ioloop.loop(0.1, blocking=False)
        log.info("stopped", node=self.service.name)

    def stop(self) -> None:
        """End `run`; from any thread or signal handler."""
        self._threads.soon(self._stop)

    def reload(self) -> None:
        """Follow cluster.yaml as it is now, or say in the log why not; from any thread or signal handler."""
        self._threads.soon(self._reload)

    def close(self) -> None:
        """Give back every socket and thread."""
        if self._management is not None:
            self._management.stop()
            self._management = None
        self._ioloop.close()
        self.service.publisher.close()
        self.service.workers.stop()
        self.service.access_logs.close()

    def _reload(self) -> None:
        self.service.access_logs.reopen()

        def read(future: Future[FreshSettings]) -> None:
            error = future.exception()
            if error is None:
                self._adopt(future.result())
            elif isinstance(error, ConfigError):
                _log_refusal(error)
            else:
                raise error

        self._threads.run(self.service.workers.watch, lambda: read_anew(self._file, self.service), read)

    def _adopt(self, fresh: FreshSettings) -> Reloaded:
        reloaded = adopt(fresh, self.service, [listener.handler for listener in self._listeners])
        log.info("reloaded", file=str(self._file), changed=reloaded.changed)
        return reloaded

    def _stop(self) -> None:
        self._stopping = True

    def _listen(self, site: str, identity: TlsIdentity) -> Listener:
        service = self.service
        fields = {
            "service": service,
            "threads": self._threads,
            "site_name": site,
            "site": service.settings.sites[site],
            "identity": identity,
            "timeout": service.limits.idle_timeout_s,
        }
        address = (service.node.address, service.settings.sites[site].port)
        try:
            return Listener(address, type("SiteSession", (Session,), fields), self._ioloop)
        except OSError as error:
            raise _cannot_listen(f"sites.{site}.port", address, error) from error

    def _listen_sftp(self, site: str) -> SftpListener:
        service, host_key = self.service, self.service.settings.cluster.sftp_host_key
        port = service.settings.sites[site].sftp_port
        assert port is not None, "asked of sites with an sftp_port"
        assert host_key is not None, "the rules want one"
        address = (service.node.address, port)
        try:
            return SftpListener(service, site, address, read_host_key(host_key), self._threads, self._ioloop)
        except OSError as error:
            raise _cannot_listen(f"sites.{site}.sftp_port", address, error) from error

    def _manage(self) -> ManagementThread:
        service = self.service
        management = Management(
            health=service.vital_signs.document,
            registry=service.metrics.registry,
            token=service.management_token,
            documents={
                "sessions": lambda: live_sessions(service.sessions, clock.monotonic_s()),
                "bans": lambda: service.bans.document(clock.monotonic_s()),
            },
            actions={
                "drain": self._drain,
                "enable": self._enable,
                "kick": self._kick,
                "lift": self._lift,
                "reload": self._reload_now,
            },
        )
        address = (service.node.address, service.node.management_port)
        try:
            return ManagementThread(management, *address)
        except OSError as error:
            raise _cannot_listen(f"nodes.{service.name}.management_port", address, error) from error

    async def _drain(self, _query: Mapping[str, str]) -> FtpnodeHealth:
        await asyncio.to_thread(self.service.drain.drain)
        log.info("draining", node=self.service.name)
        return self.service.vital_signs.document()

    async def _enable(self, _query: Mapping[str, str]) -> FtpnodeHealth:
        await asyncio.to_thread(self.service.drain.enable)
        log.info("enabled", node=self.service.name)
        return self.service.vital_signs.document()

    async def _kick(self, query: Mapping[str, str]) -> Affected:
        session = _needed(query, "id")
        count = await self._on_loop(lambda: kick(self.service.sessions, session))
        log.info("kicked", session=session, count=count)
        return Affected(count)

    async def _lift(self, query: Mapping[str, str]) -> Affected:
        address = _needed(query, "address")
        lifted = await self._on_loop(lambda: self.service.bans.lift(address, clock.monotonic_s()))
        log.info("ban lifted", client=address, was_banned=lifted)
        return Affected(int(lifted))

    async def _reload_now(self, _query: Mapping[str, str]) -> Reloaded:
        try:
            fresh = await asyncio.to_thread(read_anew, self._file, self.service)
        except ConfigError as error:
            _log_refusal(error)
            raise ValueError(str(error)) from error
        return await self._on_loop(lambda: self._adopt(fresh))

    async def _on_loop(self, call: Callable[[], T]) -> T:
        """The value of `call`, which runs on the sessions' loop; the management endpoint has a loop of its own."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
                raise

        self._threads.soon(run)
        return await asyncio.wrap_future(future)

    def _look(self) -> None:
        if not self._looking:
            self._looking = True
            self._threads.run(self.service.workers.watch, self.service.vital_signs.look, self._looked)

    def _looked(self, future: Future[None]) -> None:
        self._looking = False
        if error := future.exception():
            log.warning("cannot look at the disk", why=str(error))


def _log_refusal(error: ConfigError) -> None:
    for problem in error.problems:
        log.error("reload refused", where=problem.where, what=problem.what, fix=problem.fix)


def _needed(query: Mapping[str, str], name: str) -> str:
    if not query.get(name):
        raise ValueError(f"the query must say {name}=…")
    return query[name]


def _cannot_listen(where: str, address: tuple[str, int], error: OSError) -> ConfigError:
    what = f"cannot listen on {address[0]} port {address[1]}: {error.strerror or error}"
    return ConfigError((Problem(where, what, "stop what uses it, or choose another port or address"),))
