"""Chooses the SFTP answer for an error that a request met."""

from cluster.log import logger
from ftpnode.core import sftp_status
from ftpnode.core.sftp_status import Refusal, Status
from ftpnode.ports import ChangeRefusedError
from ftpnode.tree import TooManyEntriesError
from ftpnode.trouble import reply_to

log = logger(__name__)


class RequestRefusedError(Exception):
    """A request cannot be done."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


def answer_to(error: Exception) -> Refusal:
    """The answer; an error that nobody foresaw is logged with its traceback."""
    match error:
        case RequestRefusedError(refusal=refusal):
            return refusal
        case ChangeRefusedError(reason=reason):
            log.warning("change refused", reason=reason.value, why=str(error))
            return sftp_status.refused(reason)
        case OSError(errno=number):
            return sftp_status.disk_trouble(number)
        case TooManyEntriesError():
            return Refusal(Status.FAILURE, "The directory has too many entries to list.")
        case _:
            return sftp_status.failure(reply_to(error))  # a failure, whatever FTP calls it
