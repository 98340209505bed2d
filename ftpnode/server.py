"""Serves the clients of one process: listens with the sockets it is given, until it is told to stop."""

import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, TypeVar

from pyftpdlib.ioloop import IOLoop

from cluster import clock
from cluster.live import Reloaded
from cluster.tls_identity import TlsIdentity, read_identity
from ftpnode.fresh_settings import FreshSettings, adopt
from ftpnode.pyftpdlib_door.listener import Listener
from ftpnode.pyftpdlib_door.off_loop import OffLoop
from ftpnode.pyftpdlib_door.session import Session
from ftpnode.service import Service
from ftpnode.sftp_door.host_key import read_host_key
from ftpnode.sftp_door.listener import SftpListener

if TYPE_CHECKING:
    from paramiko import PKey

T = TypeVar("T")

_LAST_PUBLISHES_S: Final = 5.0


class Server:
    """The doors of every site and the loop behind them. ConfigError when a certificate or a key cannot be used.

    `opened` are the sockets of `ftpnode.listening.open_ports`; they are the server's from here on.
    """

    def __init__(self, service: Service, opened: Mapping[str, socket.socket]) -> None:
        self.service = service
        identity = read_identity(service.node.certificate, service.node.key)
        sites = service.settings.sites
        host_keys = {name: self._host_key() for name, site in sites.items() if site.sftp_port}
        self.ioloop = IOLoop()
        self.threads = OffLoop(self.ioloop)
        self._stopping = False
        self._listeners = [
            self._listen(name, opened[where], identity, implicit_tls=field == "implicit_port")
            for name in sites
            for field in ("port", "implicit_port")
            if (where := f"sites.{name}.{field}") in opened
        ]
        self._sftp_listeners = [
            SftpListener(service, name, opened[f"sites.{name}.sftp_port"], host_key, self.threads, self.ioloop)
            for name, host_key in host_keys.items()
        ]

    def run(self) -> None:
        """Serve until `stop`, then let the publishes that are under way finish, for a moment."""
        timeout_s = None
        while not self._stopping:
            timeout_s = self.ioloop.loop(timeout_s, blocking=False)
        deadline_s = clock.monotonic_s() + _LAST_PUBLISHES_S
        for listener in (*self._listeners, *self._sftp_listeners):
            listener.close()
        while self.service.publishing and clock.monotonic_s() < deadline_s:
            self.ioloop.loop(0.1, blocking=False)

    def stop(self) -> None:
        """End `run`; from any thread or signal handler."""
        self.threads.soon(self._stop)

    def close(self) -> None:
        """Give back every socket and thread."""
        self.ioloop.close()
        self.service.close()

    def adopt(self, fresh: FreshSettings) -> Reloaded:
        """Work by these settings from now on; on the loop."""
        return adopt(fresh, self.service, [listener.handler for listener in self._listeners])

    def on_loop(self, call: Callable[[], T]) -> Future[T]:
        """The value of `call`, which runs on the loop; from any other thread."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
                raise

        self.threads.soon(run)
        return future

    def _stop(self) -> None:
        self._stopping = True

    def _listen(self, site: str, opened: socket.socket, identity: TlsIdentity, *, implicit_tls: bool) -> Listener:
        service = self.service
        fields = {
            "service": service,
            "threads": self.threads,
            "site_name": site,
            "site": service.settings.sites[site],
            "identity": identity,
            "implicit_tls": implicit_tls,
            "timeout": service.limits.idle_timeout_s,
        }
        return Listener(opened, type("SiteSession", (Session,), fields), self.ioloop)

    def _host_key(self) -> "PKey":
        host_key = self.service.settings.cluster.sftp_host_key
        assert host_key is not None, "the rules want one"
        return read_host_key(host_key)
