"""Finds files for commands that read them; what this disk lacks is fetched while the client waits."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cluster.publish import Reason
from ftpnode.ports import ChangeRefusedError
from ftpnode.read_through import fetch

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ftpnode.pyftpdlib_door.session import Session

T = TypeVar("T")


def _nothing() -> None:
    pass


def read_here(
    session: "Session",
    path: str,
    read: Callable[[], T],
    then: Callable[[T], None],
    pool: "Executor | None" = None,
    otherwise: Callable[[], T | None] = _nothing,
) -> None:
    """Do `read` in a thread and `then` on the loop; if this disk has nothing, ask the replicator for `path` first.

    A session that moved here may ask for what only its last node held: never a 550 for an acknowledged file. `pool` is
    that of the disk unless `read` itself asks the replicator. What nobody has may be there in another way, `otherwise`.
    """
    service, login = session.service, session.login
    assert login is not None, "reading needs a login"

    def fetch_and_read() -> T:
        try:
            fetch(service, path, login)
        except ChangeRefusedError as error:
            found = otherwise() if error.reason is Reason.NOT_FOUND else None
            if found is None:
                raise
            return found
        return read()

    def missing(error: BaseException) -> None:
        if isinstance(error, FileNotFoundError) and service.has_replicator and path:
            session.off_loop(service.workers.fetches, fetch_and_read, then)
        else:
            session.reply_trouble(error)

    session.off_loop(pool or service.workers.disk, read, then, missing)
