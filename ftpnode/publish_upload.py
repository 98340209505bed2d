"""Asks for an upload to be made safe and visible: by whichever door it came."""

from typing import TYPE_CHECKING

from cluster.publish import Done, Publish
from ftpnode.ports import change

if TYPE_CHECKING:
    from ftpnode.core.login import Candidate
    from ftpnode.service import Service
    from ftpnode.staging import StagedFile


def publish_upload(service: "Service", login: "Candidate", path: str, staged: "StagedFile", mtime_ns: int) -> Done:
    """Seal the staged file and have it published at the tree path `path`; the Done is the promise the client waits for.

    ChangeRefusedError, PublisherUnreachableError or OSError otherwise. Whatever comes of it, no staged file of ours
    stays behind: a Done has taken it. Blocks: call it from a worker thread.
    """
    try:
        staged.seal(mtime_ns)
        request = Publish(
            id=0,
            account=login.name,
            policy=login.account.publish_policy(),
            quota=login.account.quota(),
            path=path,
            staged=staged.name,
            content_id=staged.content.content_id(),
            size_bytes=staged.content.size_bytes,
            mtime_ns=mtime_ns,
        )
        return change(service.publisher, request, service.limits.publish_timeout_s)
    except BaseException:
        staged.discard()
        raise
