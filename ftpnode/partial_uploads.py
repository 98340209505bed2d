"""Finds what has come of an upload that was cut, on this node: hidden, and of use to the account alone that sent it."""

import contextlib
import errno
import os
from typing import TYPE_CHECKING, BinaryIO, Final

from cluster.publish import FindPartial, PartialFound, Reason
from ftpnode.ports import ChangeRefusedError, find_partial
from ftpnode.trouble import CommandRefusedError

if TYPE_CHECKING:
    from ftpnode.core.login import Candidate
    from ftpnode.service import Service
    from ftpnode.staging import StagedFile

_LOOKS: Final = 3
"""A cut may just be noticed, and then what came gets another name."""


def found_partial(service: "Service", login: "Candidate", path: str) -> PartialFound | None:
    """What has come, where no file stands at `path`; None when nothing has. Blocks on the replicator."""
    if not service.has_replicator:
        return None
    request = FindPartial(id=0, path=path, account=login.name)
    try:
        return find_partial(service.publisher, request, service.limits.publish_timeout_s)
    except ChangeRefusedError as error:
        if error.reason is not Reason.NOT_FOUND:
            raise
        return None


def go_on(service: "Service", login: "Candidate", path: str, staged: "StagedFile", keep_bytes: int) -> None:
    """Begin an upload with the first bytes of what has come; FileNotFoundError when nothing has. Blocks.

    CommandRefusedError when it is less.
    """
    for _ in range(_LOOKS):
        found = found_partial(service, login, path)
        if found is None:
            break
        if keep_bytes > found.size_bytes:
            raise CommandRefusedError(f"554 {found.size_bytes} bytes have come; REST asks for {keep_bytes}.")
        with contextlib.suppress(FileNotFoundError), _opened(service, found) as source:
            staged.copy_from(source, keep_bytes)
            return
    raise FileNotFoundError(errno.ENOENT, "nothing has come of it")


def _opened(service: "Service", found: PartialFound) -> BinaryIO:
    assert "/" not in found.name, "the replicator names a staged file"
    return os.fdopen(os.open(service.staging.folder / found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
