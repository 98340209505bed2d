"""Open files and directories as SFTP clients hold them.

`finish` is the client's CLOSE, `lost` is what befalls the handles of a client that has gone.
"""

import abc
import os
from typing import TYPE_CHECKING, BinaryIO

from typing_extensions import override

from ftpnode.core import sftp_status
from ftpnode.core.listing import Entry
from ftpnode.core.sftp_packet import DATA_LIMIT_BYTES, NAMES_AT_ONCE, Attributes
from ftpnode.core.sftp_status import Refusal, Status
from ftpnode.core.verdict import Ending
from ftpnode.sftp_door.trouble import RequestRefusedError
from ftpnode.transfer_record import TransferRecord

if TYPE_CHECKING:
    from ftpnode.sftp_door.session import Session


class Handle(abc.ABC):
    """An open file or directory; `view` is its path as the client sees it."""

    def __init__(self, view: str) -> None:
        self.view = view

    @property
    def moved_bytes(self) -> tuple[int, int]:
        """File content that went up and down."""
        return 0, 0

    @abc.abstractmethod
    def finish(self) -> str:
        """The client has closed it; the text of a good answer. What this raises is the answer otherwise."""

    @abc.abstractmethod
    def lost(self) -> None:
        """The client is gone."""

    def read(self, _offset: int, _length: int, /) -> bytes:
        """At most so many bytes from an offset on; none at the end."""
        raise _not_for_that()

    def write(self, _offset: int, _data: memoryview, /) -> None:
        """Put bytes at an offset."""
        raise _not_for_that()

    def stat(self) -> Entry:
        """What stands there."""
        raise _not_for_that()

    def set_attributes(self, _wanted: Attributes, /) -> None:
        """Change what can be changed."""
        raise RequestRefusedError(sftp_status.denied())

    def next_entries(self) -> list[Entry]:
        """The next entries of a directory; none at the end."""
        raise _not_for_that()


class Folder(Handle):
    """A directory that is listed."""

    def __init__(self, view: str, entries: list[Entry]) -> None:
        super().__init__(view)
        self._entries = entries
        self._shown = 0

    @override
    def next_entries(self) -> list[Entry]:
        found = self._entries[self._shown : self._shown + NAMES_AT_ONCE]
        self._shown += len(found)
        return found

    @override
    def finish(self) -> str:
        return ""

    @override
    def lost(self) -> None:
        """Nothing is held."""


class Download(Handle):
    """A file that is read."""

    def __init__(self, session: "Session", path: str, view: str, file: BinaryIO) -> None:
        super().__init__(view)
        self._session = session
        self._file = file
        self._record = TransferRecord(session.service, session, path, is_upload=False)
        self._moved_bytes = 0
        self._reached = 0
        session.transfer_begins("read", self)

    @property
    @override
    def moved_bytes(self) -> tuple[int, int]:
        return 0, self._moved_bytes

    @override
    def read(self, offset: int, length: int, /) -> bytes:
        data = os.pread(self._file.fileno(), min(length, DATA_LIMIT_BYTES), offset)
        self._moved_bytes += len(data)
        self._reached = max(self._reached, offset + len(data))
        return data

    @override
    def stat(self) -> Entry:
        found = os.fstat(self._file.fileno())
        return Entry("", is_directory=False, size_bytes=found.st_size, mtime_s=found.st_mtime)

    @override
    def finish(self) -> str:
        whole = self._reached >= os.fstat(self._file.fileno()).st_size
        self._end(Ending.SENT if whole else Ending.ABORTED)
        return ""

    @override
    def lost(self) -> None:
        self._end(Ending.CONTROL_GONE)

    def _end(self, ending: Ending) -> None:
        self._file.close()
        self._session.transfer_ends(self)
        self._record.close(self._moved_bytes, ending.value, is_complete=ending is Ending.SENT)


def _not_for_that() -> RequestRefusedError:
    return RequestRefusedError(Refusal(Status.FAILURE, "The handle was not opened for that."))
