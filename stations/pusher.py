"""Pushes files on a schedule and tries again what failed, as receivers and application servers do.

The first failure ends a round: what is left waits for the retry period, oldest first.
"""

import ftplib
import threading
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from cluster.clock import monotonic_s
from stations.attempt import Client, attempt
from stations.ftp_client import CLIENT_ERRORS, StationClient, leave
from stations.journal import What
from stations.scene import Scene
from stations.upload import Parcel, UploadFailed

Delivery = Callable[[], Parcel]
"""A file to push, read when its turn comes."""

Probe = Callable[[ftplib.FTP], list[str]]
"""Tries what must not work over a connection; returns what worked. May raise one of CLIENT_ERRORS."""


class Round(msgspec.Struct, frozen=True):
    """Files that become due at `due_s` on the monotonic clock."""

    due_s: float
    deliveries: list[Delivery]


class Pusher:
    """One client's connection, and the files it owes."""

    def __init__(self, scene: Scene, client: Client, probe: Probe) -> None:
        """`probe` is done once, after the first acknowledgement; what it returns is written down as violations."""
        self._scene = scene
        self._client = client
        self._probe: Probe | None = probe
        self._ftp: ftplib.FTP | None = None
        self._owed: deque[Delivery] = deque()

    def run(self, schedule: Iterator[Round]) -> None:
        """Push what the schedule says until the scene stops, then what is still owed, for a bounded time."""
        stop = self._scene.stop
        pending = next(schedule)
        while not stop.wait(self._pause_s(pending)):
            if monotonic_s() >= pending.due_s:
                self._owed.extend(pending.deliveries)
                pending = next(schedule)
            while self._owed and not stop.is_set() and self._push_oldest():
                self._probe_once()
            if not self._client.persona.keeps_connection:
                self._leave()
        self._settle()

    def push(self, parcel: Parcel) -> bool:
        """One attempt; whether it was acknowledged."""
        try:
            attempt(self._scene.journal, self._client, self._connected, parcel)
        except UploadFailed as failure:
            if not failure.connection_usable:
                self._drop()
            return False
        return True

    def _settle(self) -> None:
        retry_s, settle_s = self._scene.settings.retry_s, self._scene.settings.settle_s
        deadline_s = monotonic_s() + settle_s
        # The scene's own event is set already; nothing sets this one, it only waits.
        pause = threading.Event()
        while self._owed and monotonic_s() < deadline_s:
            if not self._push_oldest():
                pause.wait(min(retry_s, max(0.0, deadline_s - monotonic_s())))
        if self._owed:
            self._scene.journal.write(
                self._client.who, self._client.role, What.NOTE, error=f"{len(self._owed)} files still owed at the end"
            )
        self._leave()

    def _push_oldest(self) -> bool:
        parcel = self._owed[0]()
        if not all(self.push(parcel) for _ in range(self._client.persona.pushes)):
            return False
        self._owed.popleft()
        return True

    def _pause_s(self, pending: Round) -> float:
        until_due_s = max(0.0, pending.due_s - monotonic_s())
        return min(until_due_s, self._scene.settings.retry_s) if self._owed else until_due_s

    def _probe_once(self) -> None:
        if self._probe is None or self._ftp is None:
            return
        try:
            violations = self._probe(self._ftp)
        except CLIENT_ERRORS:
            # Cut in the middle: nothing was shown, so it is tried again after the next file.
            self._drop()
            return
        self._probe = None
        for violation in violations:
            self._scene.journal.write(self._client.who, self._client.role, What.VIOLATION, error=violation)

    def _connected(self) -> ftplib.FTP:
        if self._ftp is None:
            try:
                self._ftp = StationClient(self._client.persona, self._client.entrance)
            except CLIENT_ERRORS as error:
                raise UploadFailed(
                    f"cannot log in: {type(error).__name__}: {error}", outcome_unknown=False, connection_usable=False
                ) from error
        return self._ftp

    def _leave(self) -> None:
        if self._ftp is not None:
            leave(self._ftp)
            self._ftp = None

    def _drop(self) -> None:
        if self._ftp is not None:
            self._ftp.close()
            self._ftp = None
