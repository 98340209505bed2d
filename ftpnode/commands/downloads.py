"""RETR, SIZE, MDTM."""

from typing import TYPE_CHECKING, BinaryIO

from typing_extensions import override

from cluster.publish import PartialFound
from ftpnode.commands.reading import read_here
from ftpnode.core.listing import Entry, timestamp
from ftpnode.core.verdict import Ending, judge_download
from ftpnode.partial_uploads import found_partial
from ftpnode.transfer import Transfer
from ftpnode.transfer_record import TransferRecord
from ftpnode.trouble import CommandRefusedError

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.data_connection import DataConnection
    from ftpnode.pyftpdlib_door.session import Session


class Download(Transfer):
    """A file on its way out."""

    def __init__(self, session: "Session", path: str, file: BinaryIO, offset: int) -> None:
        assert session.login is not None, "downloads need a login"
        self._session = session
        self._file = file
        self._offset = offset
        self._connection: DataConnection | None = None
        self._record = TransferRecord(session.service, session, path, is_upload=False)
        self.opening = "Here comes the file."

    @override
    def start(self, connection: "DataConnection") -> None:
        self._connection = connection
        connection.send_file(self._file)

    @override
    def ended(self, ending: Ending) -> None:
        self._file.close()
        verdict = judge_download(ending)
        moved_bytes = self._connection.tot_bytes_sent if self._connection else 0
        self._record.close(
            moved_bytes, ending.value, is_complete=verdict.complete, offset=self._offset, reply=verdict.reply
        )
        self._session.reply(verdict.reply)


def retrieve(session: "Session", argument: str) -> None:
    """RETR, from where REST says."""
    path, offset = session.tree_path(argument), session.restart_at
    session.restart_at = 0

    def open_file() -> BinaryIO:
        file = session.service.tree.open_file(path)
        size_bytes = file.seek(0, 2)
        if offset > size_bytes:
            file.close()
            raise CommandRefusedError(f"554 The file has {size_bytes} bytes; REST asks for {offset}.")
        file.seek(offset)
        return file

    read_here(session, path, open_file, lambda file: session.data.begin(Download(session, path, file, offset)))


def size(session: "Session", argument: str) -> None:
    """SIZE (RFC 3659 section 4), in every type, because no type converts.

    Where no file stands it tells how much has come of an upload of the account that was cut: where REST may go on.
    """
    assert session.login is not None, "SIZE needs a login"
    path, service, login = session.tree_path(argument), session.service, session.login

    def tell(found: Entry | PartialFound) -> None:
        session.told_partial = (path, found.size_bytes) if isinstance(found, PartialFound) else None
        session.reply(f"213 {found.size_bytes}")

    def look() -> Entry | PartialFound:
        return _file(session, path)

    read_here(session, path, look, tell, otherwise=lambda: found_partial(service, login, path))


def show_modification_time(session: "Session", argument: str) -> None:
    """MDTM (RFC 3659 section 3) that asks."""
    path = session.tree_path(argument)
    read_here(
        session, path, lambda: _file(session, path), lambda entry: session.reply(f"213 {timestamp(entry.mtime_s)}")
    )


def _file(session: "Session", path: str) -> Entry:
    entry = session.service.tree.entry(path)
    if entry.is_directory:
        raise CommandRefusedError("550 Not a file.")
    return entry
