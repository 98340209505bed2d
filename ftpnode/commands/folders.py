"""CWD, CDUP, PWD and the listings."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from cluster import clock
from cluster.log import logger
from cluster.tree_path import parent
from ftpnode.commands.facts import FactsLines
from ftpnode.commands.reading import read_here
from ftpnode.core.listing import Entry, long_line, msdos_line, path_argument
from ftpnode.core.replies import NO_SUCH_FILE
from ftpnode.core.verdict import Ending, judge_download
from ftpnode.room import room_bytes
from ftpnode.transfer import Transfer
from ftpnode.tree import TooManyEntriesError
from ftpnode.trouble import CommandRefusedError

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from ftpnode.pyftpdlib_door.data_connection import DataConnection
    from ftpnode.pyftpdlib_door.session import Session

log = logger(__name__)

SLICE_ENTRIES: Final = 500
_Write = Callable[[str, Sequence[Entry]], str]
"""The text for entries of the folder at a tree path."""


class Listing(Transfer):
    """A listing on its way out, in slices: the disk is asked for the next one when the last was sent.

    So the size of a directory costs no other session more than a slice, and a client that does not read costs one.
    """

    def __init__(
        self, session: "Session", names: Sequence[str], lines: Callable[[Sequence[str]], bytes], pool: "Executor"
    ) -> None:
        self._pool = pool
        self._session = session
        self._names = names
        self._lines = lines
        self._done = 0
        self.opening = "Here comes the listing."

    @override
    def start(self, connection: "DataConnection") -> None:
        connection.send_slices(lambda: self._read_slice(connection))

    def _read_slice(self, connection: "DataConnection") -> None:
        names = self._names[self._done : self._done + SLICE_ENTRIES]
        self._done += len(names)
        is_last = self._done >= len(self._names)

        def bring(future: "Future[bytes]") -> None:
            if error := future.exception():
                log.warning("a listing ended early", why=str(error), **self._session.who)
                connection.cut(Ending.DISK_ERROR)
            else:
                connection.send_slice(future.result(), is_last=is_last)

        self._session.threads.run(self._pool, lambda: self._lines(names), bring)

    @override
    def ended(self, ending: Ending) -> None:
        self._session.reply(judge_download(ending).reply)


def print_directory(session: "Session", _argument: str) -> None:
    """PWD."""
    session.reply(f"257 {quoted(session.cwd)} is the current directory.")


def change_to_parent(session: "Session", _argument: str) -> None:
    """CDUP."""
    change_directory(session, "..")


def change_directory(session: "Session", argument: str) -> None:
    """CWD: only the session's own idea of a directory changes, never the process's."""
    view = session.view(argument or "/")
    path = session.tree_path(view)

    def find() -> None:
        _directory(session, path)

    def found(_: None) -> None:
        session.cwd = view
        session.reply(f"250 {quoted(view)} is the current directory.")

    read_here(session, path, find, found)


def available(session: "Session", argument: str) -> None:
    """AVBL (draft-peterson-streamlined-ftp-command-extensions): how many bytes a new file may have.

    The lesser of what the disk has and what the account's quota leaves.
    """
    assert session.login is not None, "AVBL needs a login"
    path, service, login = session.tree_path(argument), session.service, session.login

    def measure() -> int:
        _directory(session, path)
        free_bytes = max(0, service.staging.free_bytes() - service.settings.replication.disk_reserve_bytes)
        most_bytes = room_bytes(service, login)
        return free_bytes if most_bytes is None else min(free_bytes, most_bytes)

    pool = service.workers.disk if login.account.quota() is None else service.workers.fetches
    session.off_loop(pool, measure, lambda free_bytes: session.reply(f"213 {free_bytes}"))


def list_long(session: "Session", argument: str) -> None:
    """LIST."""
    now_s = clock.now_s()
    msdos = session.compatibility.listing == "msdos"
    _list_each(session, argument, lambda entry: msdos_line(entry) if msdos else long_line(entry, now_s))


def list_names(session: "Session", argument: str) -> None:
    """NLST."""
    _list_each(session, argument, lambda entry: f"{entry.name}\r\n")


def list_facts(session: "Session", argument: str) -> None:
    """MLSD (RFC 3659 section 7)."""
    facts = FactsLines(session)
    pool = session.service.workers.fetches if facts.asks else session.service.workers.disk

    def write(folder: str, entries: Sequence[Entry]) -> str:
        return "".join(f"{line}\r\n" for line in facts.write(folder, entries))

    _list(session, argument, write, pool, only_directories=True)


def show_facts(session: "Session", argument: str) -> None:
    """MLST (RFC 3659 section 7)."""
    view, facts = session.view(argument), FactsLines(session)
    path = session.tree_path(view)

    def find() -> str:
        (line,) = facts.write(parent(path), [_entry(session, path)])
        return f"{line[: line.index(' ')]} {view}"

    pool = session.service.workers.fetches if facts.asks else session.service.workers.disk
    read_here(session, path, find, lambda line: session.reply_lines(250, "Facts:", [line], "End"), pool)


def quoted(view: str) -> str:
    """A path in the quotes of a 257 reply (RFC 959 appendix II)."""
    return '"' + view.replace('"', '""') + '"'


def _list_each(session: "Session", argument: str, line: Callable[[Entry], str]) -> None:
    def write(_folder: str, entries: Sequence[Entry]) -> str:
        return "".join(map(line, entries))

    _list(session, path_argument(argument), write, session.service.workers.disk)


def _list(
    session: "Session", argument: str, write: _Write, pool: "Executor", *, only_directories: bool = False
) -> None:
    """Send what `write` makes of each slice, in a thread of `pool`."""
    encoding = session.name_encoding
    view, path = session.view(argument), session.tree_path(argument)

    def find() -> Listing:
        entry = _entry(session, path)
        if entry.is_directory:
            names = [name for name in _names(session, path) if session.may_see(f"{view.rstrip('/')}/{name}")]
            return Listing(session, names, slice_of, pool)
        if only_directories:
            raise CommandRefusedError("501 Not a directory.")
        return Listing(session, [entry.name], lambda _: encoded([entry]), pool)

    def slice_of(names: Sequence[str]) -> bytes:
        return encoded(session.service.tree.entries(path, names) if names else [])

    def encoded(entries: Sequence[Entry]) -> bytes:
        return write(path, entries).encode(encoding, "replace")

    read_here(session, path, find, session.data.begin)


def _entry(session: "Session", path: str) -> Entry:
    """The entry at a tree path; the home is there even when nobody has made it on the disk yet."""
    try:
        return session.service.tree.entry(path)
    except FileNotFoundError:
        if path == session.home:
            return Entry("", is_directory=True, size_bytes=0, mtime_s=0.0)
        raise


def _names(session: "Session", path: str) -> list[str]:
    most = session.service.limits.listing_entries
    try:
        return session.service.tree.names(path, most)
    except TooManyEntriesError as error:
        raise CommandRefusedError(f"550 The directory has more than {most} entries.") from error
    except FileNotFoundError:
        if path == session.home:
            return []
        raise


def _directory(session: "Session", path: str) -> None:
    if not _entry(session, path).is_directory:
        raise CommandRefusedError(NO_SUCH_FILE)
