"""The files in ROOT/.tripod/staging and the conflict store: whose they are, which content they hold, when they go.

`up-*` belongs to the ftpnode, `pub-*` to a publish under way here, `peer-CONTENT-*` holds content that a peer had us
prepare or that we fetched: it is a durable copy, kept over a restart until it expires. `part-CONTENT` is the beginning
of content that is being fetched, `grow-*` what has come of an upload that still arrives on a peer, `cut-*` what came of
one that was cut.
"""

import itertools
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from cluster.content_id import content_id_of_file
from cluster.tree_path import complaint
from replicator.disk.partials import Partials

_UPLOADED: Final = "up-"
_PREPARED: Final = "peer-"
_PUBLISHING: Final = "pub-"
_RECOVERED: Final = "again-"
_PART: Final = "part-"
_GROWING: Final = "grow-"
_MOVED: Final = (_PREPARED, _PUBLISHING, _RECOVERED)
_SPARED_S: Final = 60.0


class Held(msgspec.Struct, frozen=True):
    """One staged, durable file; `spared`: it was removed from the tree, and only kept in case it was renamed.

    `is_synced`: its time and mode are durable too.
    """

    content_id: str
    file: Path
    spared: bool = False
    is_synced: bool = False


class Staging:
    """Which content stands ready in staging. Used by the control thread alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.offers: dict[str, Path] = {}  # what is being published here, by content id: peers may ask for it
        self._held: dict[str, list[Held]] = {}
        self.partials = Partials(folder)
        self._parts: dict[str, Path] = {}
        self._numbers = itertools.count(1)
        self._salt = secrets.token_hex(4)

    def doubles(self) -> dict[Path, os.stat_result]:
        """What has other names too, with what stat says of it: a power cut may leave both names of a rename.

        `start` removes these, so the index must expect that before (replicator.restart).
        """
        found = {file: file.lstat() for file in self.folder.iterdir() if file.name.startswith(_MOVED)}
        return {file: status for file, status in found.items() if status.st_nlink > 1 and stat.S_ISREG(status.st_mode)}

    def start(self) -> None:
        """Take up what an earlier run left: whole `peer-*` files; of the others nobody was told that they are safe.

        Of what has two names the one in staging goes.
        """
        self.partials.start()
        doubles = self.doubles()
        for file in self.folder.iterdir():
            if file.name.startswith(_UPLOADED):
                continue  # the ftpnode removes it, or publishes it, at any moment
            if file in doubles:
                file.unlink()
            elif file.name.startswith(_PREPARED):
                content_id = file.name.removeprefix(_PREPARED).partition("-")[0]
                with file.open("rb") as stream:
                    whole = content_id_of_file(stream) == content_id
                if whole:
                    self.add(Held(content_id, file))
                else:
                    file.unlink()
            elif file.name.startswith(_PART):
                self.part_file(file.name.removeprefix(_PART))
            elif file.name.startswith((_PUBLISHING, _GROWING, _RECOVERED)):
                file.unlink()

    def new_file(self, content_id: str) -> Path:
        """A fresh name for content that is being received; it counts only after `add`."""
        return self.folder / f"{_PREPARED}{content_id}-{self._salt}{next(self._numbers)}"

    def part_file(self, content_id: str) -> Path:
        """Where content is fetched to; what is there has come of it before."""
        self._parts[content_id] = self.folder / f"{_PART}{content_id}"
        return self._parts[content_id]

    def publishing_file(self) -> Path:
        """A fresh name for what is being published here."""
        return self.folder / f"{_PUBLISHING}{self._salt}{next(self._numbers)}"

    def growing_file(self) -> Path:
        """A fresh name for an upload that arrives on a peer."""
        return self.folder / f"{_GROWING}{self._salt}{next(self._numbers)}"

    def recovered_file(self) -> Path:
        """A fresh name for kept content that is published again."""
        return self.folder / f"{_RECOVERED}{self._salt}{next(self._numbers)}"

    def add(self, held: Held) -> None:
        """This file is whole, verified and durable."""
        self._held.setdefault(held.content_id, []).append(held)

    def has(self, content_id: str) -> bool:
        """Whether content stands ready."""
        return content_id in self._held

    def files(self, content_id: str) -> Iterator[Path]:
        """Where content stands ready, or is being published."""
        yield from (held.file for held in tuple(self._held.get(content_id, ())))
        if content_id in self.offers:
            yield self.offers[content_id]

    def take(self, content_id: str) -> Held | None:
        """A file with that content, which belongs to the caller from now on."""
        files = self._held.get(content_id)
        if not files:
            return None
        held = files.pop()
        if not files:
            del self._held[content_id]
        return held

    def drop_same(self, content_id: str, inode: int) -> None:
        """Drop what is the very file with that inode: a power cut may leave both names of a rename."""
        for held in list(self._held.get(content_id, [])):
            if held.file.lstat().st_ino == inode:
                self.drop(held)

    def drop(self, held: Held) -> None:
        """Forget a file that will not be needed, and remove it."""
        files = self._held.get(held.content_id, [])
        if held in files:
            files.remove(held)
            if not files:
                del self._held[held.content_id]
            held.file.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """How much space the disk has left. Blocks shortly; OSError passes."""
        space = os.statvfs(self.folder)
        return space.f_bavail * space.f_frsize

    def make_room(self, wanted_bytes: int) -> bool:
        """Whether the disk has so much space left: what is spared goes for it at once, the oldest first."""
        if self.free_bytes() >= wanted_bytes:
            return True
        spared = [held for files in self._held.values() for held in files if held.spared]
        for held in sorted(spared, key=lambda held: -_age_s(held.file, 0.0)):
            self.drop(held)
            if self.free_bytes() >= wanted_bytes:
                return True
        return False

    def expire(self, now_s: float, expiry_s: float) -> int:
        """Remove what was staged longer ago than `expiry_s`, what is spared sooner; how many files."""
        old = [
            held
            for files in self._held.values()
            for held in files
            if _age_s(held.file, now_s) > (min(expiry_s, _SPARED_S) if held.spared else expiry_s)
        ]
        for held in old:
            self.drop(held)
        for content_id, file in tuple(self._parts.items()):
            if _age_s(file, now_s) > expiry_s:
                file.unlink(missing_ok=True)
                del self._parts[content_id]
        return len(old)

    def uploaded(self, name: str) -> Path:
        """Where an ftpnode's staged file stands; ValueError when the name is no plain file name."""
        if "/" in name or complaint(name):
            message = f"{name!r} is not the name of a staged file"
            raise ValueError(message)
        return self.folder / name


def _age_s(file: Path, now_s: float) -> float:
    try:
        return now_s - file.lstat().st_ctime
    except FileNotFoundError:
        return float("inf")
