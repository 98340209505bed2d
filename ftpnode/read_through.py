"""Asks the replicator for what the cluster has and this disk lacks."""

from typing import TYPE_CHECKING

from cluster.publish import Fetch
from ftpnode.ports import change

if TYPE_CHECKING:
    from ftpnode.core.login import Candidate
    from ftpnode.service import Service


def fetch(service: "Service", path: str, login: "Candidate") -> None:
    """Have here what the cluster has at a tree path; ChangeRefusedError or PublisherUnreachableError otherwise.

    Blocks for as long as a fetch may take.
    """
    request = Fetch(id=0, path=path, account=login.name, policy=login.account.publish_policy())
    change(service.publisher, request, service.limits.publish_timeout_s)
