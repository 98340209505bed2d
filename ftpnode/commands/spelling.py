"""Lets clients that mind no case find what is there under another spelling, as on NTFS."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ftpnode.core.client_path import PathRefusedError
from ftpnode.core.line import Line
from ftpnode.core.path_argument import split_argument

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.session import Session


def respell(session: "Session", line: Line, then: Callable[[str], None]) -> None:
    """Call `then` with the argument whose path is spelled as the disk has it; what is not there stays as written."""
    before, written = split_argument(line.command, line.argument)
    if not written:
        then(line.argument)
        return
    view = session.view(written)
    try:
        session.tree_path(written)
    except PathRefusedError:
        then(line.argument)  # the command says so
        return

    def spelled(view_on_disk: str) -> None:
        changes_case = line.command == "RNTO" and session.tree_path(view_on_disk) == session.rename_from
        folder = view_on_disk.rpartition("/")[0]
        then(before + (f"{folder}/{view.rpartition('/')[2]}" if changes_case else view_on_disk))

    home = session.home
    session.off_loop(session.service.workers.disk, lambda: session.service.tree.spelling(home, view), spelled)
