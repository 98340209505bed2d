"""Keeps what came of uploads that were cut, hidden, so that their clients can go on at any node that has some of it.

`cut-KEY` in staging holds the bytes and `cut-KEY.about` says whose they are; a path of an account has one. It loses
its last bytes: whoever is told its size can never take it for the whole file, which nobody has promised to keep.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from cluster.clock import now_s
from cluster.content_id import content_id_of
from cluster.durable_file import replace_durably, write_durably
from cluster.log import logger
from cluster.tree_path import is_below

if TYPE_CHECKING:
    from replicator.replica import Replica

PREFIX: Final = "cut-"
_ABOUT: Final = ".about"
_MOST: Final = 1000
_LEAST_BYTES: Final = 64 << 10
_ROUND_BYTES: Final = 4096

log = logger(__name__)


class Owner(msgspec.Struct, frozen=True):
    """Whose upload, and to where."""

    path: str
    account: str

    @property
    def key(self) -> str:
        """A name for it."""
        return content_id_of(f"{self.account}\0{self.path}".encode())[:32]


class Partial(msgspec.Struct, frozen=True):
    """What is kept of one upload, until a moment of the wall clock."""

    owner: Owner
    size_bytes: int
    until_s: float


class Growing(msgspec.Struct, frozen=True):
    """An upload that is under way here, and may be cut without anybody knowing it yet."""

    owner: Owner
    file: Path
    size_bytes: Callable[[], int]


class Partials:
    """Those of one node. Used by the control thread alone, but for `start`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[Owner, Partial] = {}
        self.growing: list[Growing] = []  # the newest last

    def start(self) -> None:
        """Take up what an earlier run kept; blocks on the disk."""
        for file in list(self._folder.iterdir()):
            if file.name.startswith(PREFIX) and not file.name.endswith(_ABOUT):
                partial = _read(file)
                if partial is None:
                    _remove(file)
                else:
                    self._kept[partial.owner] = partial

    def find(self, owner: Owner) -> tuple[str, int] | None:
        """The name in staging of what has come of an upload, and how many of its bytes to tell; None for nothing."""
        for growing in reversed(self.growing):
            if growing.owner == owner and (told := told_bytes(growing.size_bytes())):
                return growing.file.name, told
        partial = self._kept.get(owner)
        return None if partial is None else (self._file(owner).name, partial.size_bytes)

    async def keep(self, replica: "Replica", file: Path, owner: Owner, keep_s: float) -> None:
        """The upload in this staged file was cut: keep it for so long; or not, where a whole file stands."""
        partial = None
        try:
            if keep_s > 0 and not replica.index.is_live(owner.path):
                until_s = now_s() + keep_s
                partial = await replica.blocking(_keep, file, self._file(owner), owner, until_s)
            if partial is None:
                await replica.blocking(_remove, file)
        except OSError as error:
            log.warning("what came of an upload is not kept", path=owner.path, why=str(error))
        if partial is not None:
            self._kept[owner] = partial
            log.info("what came of an upload is kept", path=owner.path, account=owner.account, bytes=partial.size_bytes)

    def limit(self, now_s: float, most_bytes: int, is_live: Callable[[str], bool]) -> None:
        """Drop those whose time is over, those that a whole file has come for, and the oldest of too many."""
        oldest_last = sorted(self._kept.values(), key=lambda partial: -partial.until_s)
        used_bytes = 0
        for count, partial in enumerate(oldest_last):
            used_bytes += partial.size_bytes
            if count >= _MOST or used_bytes > most_bytes or partial.until_s <= now_s or is_live(partial.owner.path):
                del self._kept[partial.owner]
                _remove(self._file(partial.owner))

    def bytes_below(self, home: str, but: str) -> int:
        """How many bytes are kept of uploads to below `home`, but for those to the path `but`."""
        return sum(
            partial.size_bytes
            for partial in self._kept.values()
            if is_below(partial.owner.path, home) and partial.owner.path != but
        )

    def _file(self, owner: Owner) -> Path:
        return self._folder / f"{PREFIX}{owner.key}"


def told_bytes(size_bytes: int) -> int:
    """How many bytes a client is told of so many that have come: fewer, and none of a little."""
    return (size_bytes - 1) // _ROUND_BYTES * _ROUND_BYTES if size_bytes > _LEAST_BYTES else 0


def _keep(file: Path, target: Path, owner: Owner, until_s: float) -> Partial | None:
    fd = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size_bytes = told_bytes(os.fstat(fd).st_size)
        if not size_bytes:
            return None
        os.ftruncate(fd, size_bytes)
        os.fsync(fd)
    finally:
        os.close(fd)
    partial = Partial(owner, size_bytes, until_s)
    replace_durably(file, target)
    write_durably(_about(target), msgspec.msgpack.encode(partial))
    return partial


def _read(file: Path) -> Partial | None:
    try:
        partial = msgspec.msgpack.decode(_about(file).read_bytes(), type=Partial)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    is_whole = file.stat().st_size == partial.size_bytes and file.name == f"{PREFIX}{partial.owner.key}"
    return partial if is_whole else None


def _remove(file: Path) -> None:
    for each in (file, _about(file)):
        each.unlink(missing_ok=True)


def _about(file: Path) -> Path:
    return file.with_name(file.name + _ABOUT)
