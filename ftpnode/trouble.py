"""Chooses the reply for an error that a command met in a worker thread."""

from cluster.log import logger
from cluster.publish import Reason
from ftpnode.core import replies
from ftpnode.core.client_path import PathRefusedError
from ftpnode.core.verdict import Ending
from ftpnode.ports import ChangeRefusedError, PublisherUnreachableError
from ftpnode.staging import OverQuotaError

log = logger(__name__)


class CommandRefusedError(Exception):
    """A command cannot be done; the message is the reply."""


def ending_of(error: OSError) -> Ending:
    """How an upload ends when it could not be written down."""
    return Ending.OVER_QUOTA if isinstance(error, OverQuotaError) else replies.write_trouble(error.errno)


def reply_to(error: BaseException) -> str:
    """The reply; an error that nobody foresaw is logged with its traceback."""
    match error:
        case CommandRefusedError():
            return str(error)
        case PathRefusedError():
            return f"553 This name is not allowed: {error}."
        case ChangeRefusedError(reason=reason):
            log.warning("change refused", reason=reason.value, why=str(error))
            return replies.refused(reason)
        case PublisherUnreachableError():
            log.warning("no answer from the replicator", why=str(error))
            return replies.UNREACHABLE
        case OverQuotaError():
            return replies.refused(Reason.OVER_QUOTA)
        case OSError(errno=number):
            return replies.disk_trouble(number)
        case _:
            log.error("a command failed", exc_info=error)
            return replies.INTERNAL
