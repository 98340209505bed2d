"""A person's FTP program that was left open: logged in all day, and now and then somebody looks again.

A session that dies while nothing happens on it is noticed here, and by nobody else.
"""

import ftplib
import ssl
from typing import Final

from cluster.clock import monotonic_s
from stations.customer import ACCOUNT as CUSTOMER_ACCOUNT
from stations.ftp_client import CLIENT_ERRORS, DeskClient, StationClient, leave
from stations.journal import Role, What
from stations.persona import Persona
from stations.pushing_actors import STATION_ACCOUNT
from stations.scene import Scene
from stations.servicedesk import ACCOUNT as DESK_ACCOUNT

_LOOK: Final = "MLST /"
"""Only a node can answer it, so the session must be alive all the way."""


class Idler:
    """Idler `index` (from 0) keeps one session open until the scene stops; one that fails is opened anew.

    Without `context` at the site ingest in plain FTP and at public in turn, with it also over TLS.
    """

    def __init__(self, scene: Scene, index: int, number: int, context: ssl.SSLContext | None) -> None:
        self._scene = scene
        self._who = f"idler-{index + 1}"
        self._persona = Persona(name="idler", keeps_connection=True)
        self._chance = scene.chance(self._who)
        self._context = None
        match index % (2 if context is None else 3):
            case 0:
                self._entrance = scene.entrance("ingest", STATION_ACCOUNT, number)
            case 1:
                self._entrance = scene.entrance("public", CUSTOMER_ACCOUNT, number)
            case _:
                self._entrance = scene.entrance("ingest", DESK_ACCOUNT, number)
                self._context = context

    def run(self) -> None:
        """Keep a session until the scene stops."""
        while not self._scene.stop.is_set():
            heard_s = monotonic_s()
            try:
                ftp = self._entered()
            except CLIENT_ERRORS as error:
                self._failed(error, heard_s)
                self._scene.stop.wait(self._scene.settings.retry_s)
                continue
            self._write(What.SESSION_OPENED)
            self._stay(ftp)

    def _stay(self, ftp: ftplib.FTP) -> None:
        heard_s = monotonic_s()
        while not self._scene.stop.wait(self._chance.uniform(*self._scene.settings.idle_s)):
            try:
                ftp.voidcmd(_LOOK)
            except CLIENT_ERRORS as error:
                ftp.close()
                self._failed(error, heard_s)
                return
            heard_s = monotonic_s()
            self._write(What.SESSION_ANSWERED)
        leave(ftp)

    def _entered(self) -> ftplib.FTP:
        if self._context is None:
            return StationClient(self._persona, self._entrance)
        return DeskClient(self._entrance, self._context)

    def _failed(self, error: Exception, heard_s: float) -> None:
        said = f"{type(error).__name__}: {error}"
        self._write(What.SESSION_FAILED, error=said, seconds=monotonic_s() - heard_s)

    def _write(self, event: What, **facts: object) -> None:
        self._scene.journal.write(self._who, Role.IDLER, event, **facts)
