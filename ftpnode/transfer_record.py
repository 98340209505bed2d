"""Writes down one upload or download when it has ended: in the metrics, in the access log, in our own log."""

from typing import TYPE_CHECKING, Any, Protocol

from cluster import clock
from cluster.log import logger
from ftpnode.core.log_lines import TransferDone

if TYPE_CHECKING:
    from ftpnode.core.login import Candidate
    from ftpnode.service import Service

log = logger(__name__)


class Client(Protocol):
    """What is asked of a session, whichever door it came in by."""

    @property
    def remote_ip(self) -> str:
        """The client's own address."""
        ...

    @property
    def login(self) -> "Candidate | None":
        """Who has logged in."""
        ...

    @property
    def who(self) -> dict[str, Any]:
        """The session, for logs."""
        ...


class TransferRecord:
    """One transfer from its begin to its end; who it belongs to is kept, because a session may be gone by then."""

    def __init__(self, service: "Service", client: Client, path: str, *, is_upload: bool) -> None:
        assert client.login is not None, "transfers need a login"
        self._service = service
        self._client = client.remote_ip
        self._login = client.login
        self._who = client.who
        self._path = path
        self._is_upload = is_upload
        self._started_s = clock.monotonic_s()

    def close(self, moved_bytes: int, outcome: str, *, is_complete: bool, **more: object) -> None:
        """It has ended like this; from any thread. `outcome` is one word, `more` are fields of our own log."""
        metrics = self._service.metrics
        count, direction = (metrics.uploads, "in") if self._is_upload else (metrics.downloads, "out")
        count.labels(outcome=outcome).inc()
        metrics.bytes.labels(direction=direction).inc(moved_bytes)
        seconds = clock.monotonic_s() - self._started_s
        if self._service.access_logs.wants_transfers:
            self._service.access_logs.transfer(
                TransferDone(
                    at=clock.utc_now(),
                    seconds=seconds,
                    client=self._client,
                    moved_bytes=moved_bytes,
                    path=f"/{self._path}",
                    is_upload=self._is_upload,
                    account=self._login.name,
                    is_anonymous=self._login.account.password is None,
                    is_complete=is_complete,
                    service=self._who.get("door", "ftp"),
                )
            )
        log.info(
            "upload" if self._is_upload else "download",
            path=self._path,
            bytes=moved_bytes,
            seconds=round(seconds, 3),
            outcome=outcome,
            **more,
            **self._who,
        )
