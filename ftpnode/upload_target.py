"""Looks at where an upload is to stand, before its first byte: by whichever door it comes."""

import errno
from typing import TYPE_CHECKING, BinaryIO

from cluster.log import logger
from cluster.publish import CheckName, Reason
from cluster.tree_path import parent
from ftpnode.ports import ChangeRefusedError, PublisherUnreachableError, change
from ftpnode.read_through import fetch

if TYPE_CHECKING:
    from ftpnode.core.login import Candidate
    from ftpnode.service import Service

log = logger(__name__)


def look_at_target(service: "Service", path: str, home: str) -> None:
    """Refuse before the client sends anything what could not be published: raises the OSError that stands in the way.

    ChangeRefusedError(NAMESAKE) for a name that may not be. Blocks on the disk, and where names are minded on the
    replicator.
    """
    if service.staging.free_bytes() < service.settings.replication.disk_reserve_bytes:
        raise OSError(errno.ENOSPC, "below the reserve")
    above = parent(path)
    if above != home and not service.tree.entry(above).is_directory:
        raise NotADirectoryError(errno.ENOTDIR, "the parent is a file")
    if path == home:
        raise IsADirectoryError(errno.EISDIR, "the home")
    try:
        if service.tree.entry(path).is_directory:
            raise IsADirectoryError(errno.EISDIR, "a directory")
    except FileNotFoundError:
        if service.minds_names:
            _check_name(service, path)


def _check_name(service: "Service", path: str) -> None:
    """Whoever publishes has the last word: a replicator that says nothing now holds up no upload."""
    try:
        change(service.publisher, CheckName(id=0, path=path), service.limits.publish_timeout_s)
    except PublisherUnreachableError as error:
        log.info("the name of an upload is not known to be free", path=path, why=str(error))
    except ChangeRefusedError as error:
        if error.reason is Reason.NAMESAKE:
            raise
        log.info("the name of an upload is not known to be free", path=path, why=str(error))


def existing(service: "Service", path: str, login: "Candidate") -> BinaryIO:
    """The file that stands at `path`, fetched first where only other nodes have it; FileNotFoundError without one.

    ChangeRefusedError when that cannot be said now. Blocks for as long as a fetch may take.
    """
    try:
        return service.tree.open_file(path)
    except FileNotFoundError:
        if not service.has_replicator:
            raise
    try:
        fetch(service, path, login)
    except ChangeRefusedError as error:
        if error.reason is not Reason.NOT_FOUND:
            raise
        raise FileNotFoundError(errno.ENOENT, str(error)) from error
    return service.tree.open_file(path)
