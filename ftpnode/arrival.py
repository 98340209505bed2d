"""An upload on its way in, whichever door it came by: the disk begins early, and the replicator is told of it.

So the end of a large upload waits for its last bytes alone, here and on the peers.
"""

from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Final

from cluster.log import logger
from cluster.publish import Arriving, Cut, OutOfOrder
from ftpnode.ports import ChangeRefusedError, PublisherUnreachableError, change

if TYPE_CHECKING:
    from ftpnode.core.login import Candidate
    from ftpnode.service import Service
    from ftpnode.staging import StagedFile

TOLD_FROM_BYTES: Final = 256 << 10
"""Smaller files go to the peers as a whole when they are published: one message, and nothing before it."""

log = logger(__name__)


class Arrival:
    """What is done while its bytes come. `grew` is called by whoever writes them."""

    def __init__(self, service: "Service", login: "Candidate", path: str, staged: "StagedFile") -> None:
        self._service = service
        self._login = login
        self._path = path
        self._staged = staged
        self._is_to_be_told = service.has_replicator
        self._telling: Future[bool] | None = None

    def grew(self) -> None:
        """More bytes are written; takes no time."""
        workers = self._service.workers
        if self._staged.is_flush_due():
            workers.flushes.submit(self._staged.flush)
        if self._is_to_be_told and self._staged.size_bytes >= TOLD_FROM_BYTES:
            self._is_to_be_told = False
            self._telling = workers.fetches.submit(self._tell)

    def leave_order(self) -> None:
        """Bytes are to be written elsewhere than at the end: nobody may go on with what has come. Blocks.

        ChangeRefusedError or PublisherUnreachableError where the replicator cannot be told: then they must not be.
        """
        self._is_to_be_told = False
        if self._telling is not None and _was_told(self._telling):
            request = OutOfOrder(id=0, staged=self._staged.name)
            change(self._service.publisher, request, self._service.limits.publish_timeout_s)
        self._telling = None

    def cut(self, *, keep: bool) -> None:
        """It was cut: what came of it goes, or is kept for a client that may come back. Blocks on the replicator."""
        if self._telling is None:
            self._staged.discard()
            return
        self._staged.close()
        request = Cut(id=0, staged=self._staged.name, keep=keep)
        try:
            change(self._service.publisher, request, self._service.limits.publish_timeout_s)
        except (ChangeRefusedError, PublisherUnreachableError) as error:
            log.info("nothing is kept of an upload here", path=self._path, why=str(error))
            self._staged.discard()

    def cut_soon(self, *, keep: bool) -> None:
        """As `cut`, in a thread."""
        try:
            self._service.workers.fetches.submit(self.cut, keep=keep)
        except RuntimeError:  # the node ends, and its threads with it
            self._staged.discard()

    def _tell(self) -> bool:
        """Whether the replicator knows, or may know, of it. Runs in a thread.

        Without it the peers get all of it at the end, which is as safe.
        """
        request = Arriving(
            id=0,
            account=self._login.name,
            policy=self._login.account.publish_policy(),
            path=self._path,
            staged=self._staged.name,
            keep_s=self._login.account.keep_cut_uploads_s,
        )
        try:
            change(self._service.publisher, request, self._service.limits.publish_timeout_s)
        except (ChangeRefusedError, PublisherUnreachableError) as error:
            log.info("an upload is not brought to the peers while it arrives", path=self._path, why=str(error))
            return isinstance(error, PublisherUnreachableError)
        return True


def _was_told(telling: Future[bool]) -> bool:
    """Waits for it; cancelled is what the end of the node cancels."""
    wait((telling,))
    return not telling.cancelled() and telling.result()
