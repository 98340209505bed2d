"""One client of a cluster: uploads small files under names of its own until each is acknowledged, whatever is killed.

Some names are uploaded again with a new content, some of those at once, as receivers do with a file that grows.
"""

import ftplib
import io
import itertools
import random
import re
import threading
from collections.abc import Callable
from ftplib import FTP
from pathlib import Path

from cluster.clock import monotonic_s
from tests.kit.clients import plain_client
from tests.kit.record import Record
from tests.kit.running_cluster import RunningCluster
from tests.kit.self_telling import new_content

MOST_BYTES = 20_000
_PATIENCE_S = 120.0
_FILES_A_FOLDER = 50
_AGAIN = 0.2
_COPIES = re.compile(r"226 Transfer complete\. \((\d+) (?:of \d+ )?cop(?:y|ies)\)")


class Uploader(threading.Thread):
    """Uploads until `enough()`; `owed` maps the tree paths it got a 226 for to their contents."""

    def __init__(
        self, cluster: RunningCluster, number: int, chance: random.Random, record: Record, enough: Callable[[], bool]
    ) -> None:
        super().__init__(name=f"uploader {number}")
        self.owed: dict[str, bytes] = {}
        self._cluster = cluster
        self._number = number
        self._chance = chance
        self._record = record
        self._enough = enough
        nodes = cluster.files.settings.nodes
        self._doors = [*(node.address for node in nodes.values()), cluster.vip]
        self._roots = [node.root for node in nodes.values()]
        self._last = ""
        self._session: FTP | None = None
        self._pause = threading.Event()

    def run(self) -> None:
        try:
            for turn in itertools.count():
                if self._enough():
                    return
                self._upload(self._next_path(turn))
                if self._chance.random() < 0.1:
                    self._leave()
        except Exception as error:
            self._record.find(f"{self.name} failed: {error!r}")
            raise
        finally:
            self._leave()

    def _next_path(self, turn: int) -> str:
        """Mostly a new one; else the last, or any of before."""
        folder = f"client{self._number}-{turn // _FILES_A_FOLDER}"
        if turn % _FILES_A_FOLDER == 0:
            self._insist(f"MKD {folder}", lambda session: _make_folder(session, folder))
        elif self._chance.random() < _AGAIN:
            return self._chance.choice((self._last, self._chance.choice(list(self.owed)).removeprefix("Station/")))
        return f"{folder}/{turn}"

    def _upload(self, path: str) -> None:
        content = new_content(self._chance, MOST_BYTES)
        reply = self._insist(f"STOR {path}", lambda session: session.storbinary(f"STOR {path}", io.BytesIO(content)))
        self.owed[f"Station/{path}"] = content
        self._last = path
        self._check_copies(reply, path, content)

    def _insist(self, what: str, act: Callable[[FTP], str]) -> str:
        """Try again, with a new session, as often as nodes die under it; what the server said in the end."""
        deadline_s = monotonic_s() + _PATIENCE_S
        while True:
            try:
                return act(self._logged_in())
            except (OSError, EOFError, ftplib.error_temp, ftplib.error_perm) as error:
                # 550: the folder was acknowledged by the other node, and this one has yet to hear of it.
                behind = isinstance(error, ftplib.error_perm) and str(error).startswith("550 No such file")
                if isinstance(error, ftplib.error_perm) and not behind:
                    raise
                self._record.count("answers of a node that is behind" if behind else "attempts that failed")
                self._leave()
                if monotonic_s() > deadline_s:
                    raise TimeoutError(f"{what} for {_PATIENCE_S:.0f} s; the last answer: {error!r}") from error
                self._pause.wait(self._chance.uniform(0, 0.3))

    def _check_copies(self, reply: str, path: str, content: bytes) -> None:
        """On reading 226: as many nodes as it says hold the content under its name, now."""
        told = _COPIES.fullmatch(reply)
        if told is None:
            self._record.find(f"{path} was acknowledged with {reply!r}")
            return
        self._record.count("acknowledged")
        self._record.count(f"acknowledged with {told[1]} {'copy' if told[1] == '1' else 'copies'}")
        there = sum(_read(root / "Station" / path) == content for root in self._roots)
        if there < int(told[1]):
            self._record.find(f"{path} was acknowledged with {told[1]} copies, and {there} were there")

    def _logged_in(self) -> FTP:
        if self._session is None:
            door = self._chance.choice(self._doors)
            self._session = plain_client(door, 2121, "station", self._cluster.files.passwords["station"])
        return self._session

    def _leave(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _make_folder(session: FTP, folder: str) -> str:
    try:
        return session.mkd(folder)
    except ftplib.error_perm:
        session.cwd(f"/{folder}")  # an attempt whose answer was lost has made it
        session.cwd("/")
        return folder
