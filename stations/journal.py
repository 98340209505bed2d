"""What the simulated clients did and what they were told: one JSON object a line, flushed as it happens.

Times are unix seconds, durations seconds, paths relative to the cluster's root
(`Station/ABCD/2026/326/FILE`), content ids BLAKE3 of the whole file. Fields with their default are left out of a line.
"""

import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec


class Role(StrEnum):
    """What kind of client wrote the event."""

    STATION = "station"
    APPLICATION = "application"
    CUSTOMER = "customer"
    SERVICEDESK = "servicedesk"
    IDLER = "idler"


class What(StrEnum):
    """What happened; every `*_started` is followed by exactly one end unless the process was killed."""

    UPLOAD_STARTED = "upload_started"
    UPLOAD_ACKNOWLEDGED = "upload_acknowledged"
    UPLOAD_FAILED = "upload_failed"
    DOWNLOAD_STARTED = "download_started"
    DOWNLOAD_FINISHED = "download_finished"
    DOWNLOAD_FAILED = "download_failed"
    DOWNLOAD_CORRUPT = "download_corrupt"
    DELETE_STARTED = "delete_started"
    DELETED = "deleted"
    DELETE_FAILED = "delete_failed"
    RENAMED = "renamed"
    SESSION_OPENED = "session_opened"
    SESSION_ANSWERED = "session_answered"
    SESSION_FAILED = "session_failed"
    VIOLATION = "violation"
    NOTE = "note"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the journal."""

    at_s: float
    who: str
    role: Role
    event: What
    path: str = ""
    to: str = ""
    """`renamed`: the new path."""
    content_id: str = ""
    """The whole file that stands under `path` if the attempt succeeds; of a download, what was received."""
    partial_id: str = ""
    """`upload_started`: what stands under `path` for a moment while a persona pushes in two pieces."""
    bytes: int = 0
    seconds: float | None = None
    """From the first command of the attempt to its end; `session_failed`: since the session was last heard of."""
    ack_seconds: float | None = None
    """From the last byte handed to the socket until the 226."""
    reply: str = ""
    error: str = ""
    persona: str = ""
    outcome_unknown: bool = False
    """`upload_failed`, `delete_failed`: the server may have done it all the same."""


class Journal:
    """The file being written, and what of it must be remembered in the process; safe to use from many threads."""

    def __init__(self, path: Path, now_s: Callable[[], float]) -> None:
        """Append to the file `path`; raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._now_s = now_s
        self._lock = threading.Lock()
        self._acknowledged: dict[str, str] = {}

    def write(self, who: str, role: Role, event: What, **fields: object) -> Event:
        """Write one event with the present time; `fields` are those of Event."""
        line = msgspec.convert({"at_s": self._now_s(), "who": who, "role": role, "event": event, **fields}, Event)
        with self._lock:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
            if line.event is What.UPLOAD_ACKNOWLEDGED:
                self._acknowledged[line.path] = line.content_id
            elif line.event is What.DELETED:
                self._acknowledged.pop(line.path, None)
        return line

    def acknowledged(self) -> dict[str, str]:
        """Path to content id of everything acknowledged so far by this process and not deleted since."""
        with self._lock:
            return dict(self._acknowledged)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._file.close()


def read_journal(path: Path) -> list[Event]:
    """The events of a journal in the order written.

    A last line without its line feed is one that a killed process did not finish, and is left out; any other line
    that is not an event raises msgspec.ValidationError or DecodeError.
    """
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [msgspec.json.decode(line, type=Event) for line in whole.split(b"\n") if line]
