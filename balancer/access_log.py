"""What is written down of one session: a line for each login, move and transfer, one at its end, and the counters."""

from balancer.core.actions import NoteLogin, NoteMove, NoteTransfer
from balancer.metrics import Metrics
from cluster.log import logger

log = logger(__name__)

UPLOADS = frozenset({"STOR", "APPE", "STOU"})


class AccessLog:
    """The books of one session; docs/operations.md tells what the fields of its lines mean."""

    def __init__(self, metrics: Metrics, *, session: str, service: str, client: str, moves: int = 0) -> None:
        self.moves = moves
        self._metrics = metrics
        self._session = session
        self._service = service
        self._client = client
        self._transfers = 0
        self._bytes_up = self._bytes_down = 0

    def login(self, note: NoteLogin) -> None:
        """Somebody has logged in, or was refused."""
        self._metrics.logins.labels(self._service, note.node, str(note.reply)).inc()
        log.info(
            "login", session=self._session, service=self._service, account=note.account, client=self._client,
            node=note.node, reply=note.reply,
        )  # fmt: skip

    def moved(self, note: NoteMove) -> None:
        """The session was set up on another node."""
        self.moves += 1
        self._metrics.moved_sessions.inc()
        log.info("moved", session=self._session, source=note.source, target=note.target, why=note.why)

    def transfer(self, note: NoteTransfer, *, account: str, seconds: float, data_tls: str) -> None:
        """A transfer is over, well or not."""
        metrics, is_upload = self._metrics, note.verb in UPLOADS
        self._transfers += 1
        if is_upload:
            self._bytes_up += note.size_bytes
        else:
            self._bytes_down += note.size_bytes
        metrics.transfers.labels(self._service, note.verb, note.node, str(note.reply)).inc()
        metrics.transferred.labels(self._service, note.verb, note.node).inc(note.size_bytes)
        metrics.data_tls.labels(self._service, data_tls).inc()
        if note.repeats:
            (metrics.repeated_uploads if is_upload else metrics.continued_downloads).inc()
        log.info(
            "transfer", session=self._session, service=self._service, account=account, client=self._client,
            verb=note.verb, path=note.path, node=note.node, bytes=note.size_bytes, seconds=round(seconds, 3),
            reply=note.reply, data_tls=data_tls, moved=note.repeats, why=note.why,
        )  # fmt: skip

    def carried(self, *, node: str, port: int, up_bytes: int, down_bytes: int, seconds: float, why: str) -> None:
        """A data connection whose bytes were passed through unread is over; `why` tells by whom."""
        metrics = self._metrics
        self._transfers += 1
        self._bytes_up += up_bytes
        self._bytes_down += down_bytes
        metrics.transfers.labels(self._service, "unread", node, "").inc()
        metrics.transferred.labels(self._service, "unread", node).inc(up_bytes + down_bytes)
        log.info(
            "data connection", session=self._session, service=self._service, client=self._client, node=node, port=port,
            bytes_up=up_bytes, bytes_down=down_bytes, seconds=round(seconds, 3), why=why,
        )  # fmt: skip

    def ended(self, outcome: str, *, account: str, seconds: float, tls: bool | None) -> None:
        """The session is over; `outcome` is one word. `tls` is None where that could not be read."""
        self._metrics.sessions.labels(self._service, outcome).inc()
        log.info(
            "session", session=self._session, service=self._service, client=self._client, account=account,
            outcome=outcome, tls=tls, moved=self.moves, transfers=self._transfers, bytes_up=self._bytes_up,
            bytes_down=self._bytes_down, seconds=round(seconds, 3),
        )  # fmt: skip
