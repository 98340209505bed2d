"""Lets clients that mind no case find what is there under another spelling, as on NTFS."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ftpnode.core.client_path import PathRefusedError, tree_path
from ftpnode.core.line import Line
from ftpnode.core.path_argument import split_argument
from ftpnode.trouble import CommandRefusedError

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
    except (PathRefusedError, CommandRefusedError):
        then(line.argument)  # the command says so
        return

    home = session.home

    def spelled(view_on_disk: str) -> None:
        changes_case = line.command == "RNTO" and tree_path(home, view_on_disk) == session.rename_from
        folder = view_on_disk.rpartition("/")[0]
        then(before + (f"{folder}/{view.rpartition('/')[2]}" if changes_case else view_on_disk))

    session.off_loop(session.service.workers.disk, lambda: session.service.tree.spelling(home, view), spelled)
