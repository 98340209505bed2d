"""Follows the clients' journal: counts what happened, and measures how long after its 226 an upload is everywhere."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from cluster.content_id import content_id_of_file
from stations.journal import Event, What

_EVERY_S = 0.02


class ReplicationMeter:
    """A thread that follows a journal while it is written.

    `seen` counts the events by kind; `seconds` grows by one entry for each upload that reached every node's disk.
    """

    def __init__(self, journal: Path, roots: Mapping[str, Path], now_s: Callable[[], float]) -> None:
        self.seconds: list[float] = []
        self.seen = dict.fromkeys(What, 0)
        self._journal = journal
        self._roots = dict(roots)
        self._now_s = now_s
        self._waiting: dict[str, Event] = {}
        self._position = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replication meter")

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following and join the thread; also where it never started or was stopped before."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def waiting(self) -> int:
        """How many acknowledged uploads do not stand on every node yet."""
        return len(self._waiting)

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self._follow()
            self._look()

    def _follow(self) -> None:
        if not self._journal.exists():
            return
        with self._journal.open("rb") as file:
            file.seek(self._position)
            whole, line_feed, _ = file.read().rpartition(b"\n")
        self._position += len(whole) + len(line_feed)
        for line in whole.split(b"\n"):
            if line:
                self._note(msgspec.json.decode(line, type=Event))

    def _note(self, event: Event) -> None:
        if not event.path.endswith("/"):  # a listing is no download
            self.seen[event.event] += 1
        match event.event:
            case What.UPLOAD_ACKNOWLEDGED:
                self._waiting[event.path] = event
            case What.UPLOAD_STARTED | What.DELETE_STARTED:
                # What comes next may replace the content before we see it everywhere: no longer measurable.
                self._waiting.pop(event.path, None)
            case _:
                pass

    def _look(self) -> None:
        for path, event in list(self._waiting.items()):
            if all(_holds(root / path, event) for root in self._roots.values()):
                self.seconds.append(max(0.0, self._now_s() - event.at_s))
                del self._waiting[path]


def _holds(file: Path, event: Event) -> bool:
    try:
        if file.stat().st_size != event.bytes:
            return False
        with file.open("rb") as content:
            return content_id_of_file(content) == event.content_id
    except FileNotFoundError:
        return False
