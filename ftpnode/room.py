"""Asks how much an account may still store, before its client sends anything.

Whoever publishes has the last word: between this question and the publishing others may have stored something.
"""

from typing import TYPE_CHECKING

from cluster.publish import Reason
from cluster.quota import most_bytes
from ftpnode.ports import ChangeRefusedError, measure

if TYPE_CHECKING:
    from ftpnode.core.login import Candidate
    from ftpnode.service import Service
    from ftpnode.staging import StagedFile


def room_bytes(service: "Service", login: "Candidate", path: str = "") -> int | None:
    """The size up to which an upload to the tree path `path` fits into the account's quota; None without a quota.

    Without a path: for any new file. PublisherUnreachableError or ChangeRefusedError when nobody knows. Blocks.
    """
    quota = login.account.quota()
    if quota is None:
        return None
    found = measure(service.publisher, quota.home, path, service.limits.publish_timeout_s)
    return most_bytes(quota, found.used, found.file_bytes)


def stage(service: "Service", login: "Candidate", path: str) -> "StagedFile":
    """A staged file for an upload to `path` that takes no more than the account may store there.

    ChangeRefusedError(OVER_QUOTA) when that is nothing; else as `room_bytes`. Blocks.
    """
    most = room_bytes(service, login, path)
    if most == 0:
        raise ChangeRefusedError(Reason.OVER_QUOTA, "the quota is used up")
    return service.staging.create(most)
