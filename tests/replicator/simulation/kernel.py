"""What production code asks of the machine (`os`, paths, the clocks, `secrets`), answered by the simulated one.

`simulated()` puts this in place of the names `os`, `shutil`, `secrets` and of the clocks in every module of the
replicator. Which program is asking is `turn`; a call that is not here is an error, so nothing reaches the real disk.
"""

import contextlib
import errno
import io
import os as real_os
import random
import sys
from pathlib import PosixPath
from types import FunctionType, SimpleNamespace

import structlog

import cluster.clock
import cluster.durable_file
from tests.replicator.simulation.disk import Disk, Inode


class Crashed(GeneratorExit):
    """The program is dead, and does nothing any more; what is left of its tasks unwinds without effect."""


class Machine:
    """A host as one program on it sees it: a disk, clocks, and the faults that hit its calls."""

    def __init__(self, disk: Disk, wall_ns, monotonic_s, chance, on_crash) -> None:
        self.disk, self.wall_ns, self.monotonic_s, self.chance = disk, wall_ns, monotonic_s, chance
        self.dead = False
        self.calls = 0
        self.crash_at = 0
        self.fails = 0.0  # the share of calls that end in EIO
        self.full = False
        self.open: dict[int, tuple[Inode, list[int]]] = {}
        self.folders: dict[int, str] = {}  # where the open ones stand: nobody moves them while one is used
        self._on_crash = on_crash
        self._tokens = 0

    def enter(self, *, writes: bool = False) -> Disk:
        """Every call passes here: the program may be dead, die now, or be told that the disk fails."""
        if self.dead:
            raise Crashed
        self.calls += 1
        if self.calls == self.crash_at:
            self._on_crash()
            raise Crashed
        if self.fails and self.chance.random() < self.fails:
            raise _error(errno.EIO)
        if writes and self.full:
            raise _error(errno.ENOSPC)
        return self.disk

    def token_hex(self, size_bytes: int) -> str:
        return f"{self.chance.getrandbits(8 * size_bytes):0{2 * size_bytes}x}"


class Turn:
    """Whose turn it is."""

    machine: Machine


turn = Turn()


class File(io.RawIOBase):
    """An open file."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self):
        return self._fd

    def read(self, size=-1):
        node, position = _opened(self._fd)
        end = len(node.data) if size is None or size < 0 else position[0] + size
        data = node.data[position[0] : end]
        position[0] += len(data)
        return data

    def write(self, data):
        return write(self._fd, data)

    def flush(self):
        pass

    def close(self):
        if not self.closed:
            super().close()
            close(self._fd)


def _opened(fd: int, *, writes: bool = False) -> tuple[Inode, list[int]]:
    turn.machine.enter(writes=writes)
    return turn.machine.open[fd]


def _at(path, folder):
    """The path of a name in an open folder."""
    path = real_os.fspath(path)
    return path if folder is None or path.startswith("/") else f"{turn.machine.folders[folder]}/{path}"


def open_(path, flags, mode=0o777, *, dir_fd=None):
    machine = turn.machine
    disk = machine.enter(writes=bool(flags & real_os.O_CREAT))
    path = _at(path, dir_fd)
    node = disk.there(path)
    if node is None:
        if not flags & real_os.O_CREAT:
            disk.find(path)
        node = disk.create(path, mode)
    elif flags & real_os.O_EXCL:
        raise _error(errno.EEXIST)
    elif flags & real_os.O_DIRECTORY and not node.is_folder:
        raise _error(errno.ENOTDIR)
    elif flags & real_os.O_TRUNC:
        disk.truncate(node)
    fd = max(machine.open, default=2) + 1
    machine.open[fd] = (node, [0])
    if node.is_folder:
        machine.folders[fd] = path
    return fd


def close(fd):
    turn.machine.open.pop(fd, None)
    turn.machine.folders.pop(fd, None)


def write(fd, data):
    node, position = _opened(fd, writes=True)
    turn.machine.disk.write(node, bytes(data), position[0])
    position[0] += len(data)
    return len(data)


def pread(fd, size, offset):
    node, _ = _opened(fd)
    return node.data[offset : offset + size]


def pwrite(fd, data, offset):
    node, _ = _opened(fd, writes=True)
    turn.machine.disk.write(node, bytes(data), offset)
    return len(data)


def ftruncate(fd, size):
    node, _ = _opened(fd, writes=True)
    turn.machine.disk.resize(node, size)


def copy_file_range(source, target, count, offset_src, offset_dst):
    return pwrite(target, pread(source, count, offset_src), offset_dst)


def fstat(fd):
    node, _ = _opened(fd)
    return turn.machine.disk.stat(node)


def fsync(fd):
    node, _ = _opened(fd)
    turn.machine.disk.sync(node)


def fchmod(fd, mode):
    node, _ = _opened(fd)
    turn.machine.disk.touch(node, mode=mode)


def utime(what, *, ns, follow_symlinks=True):
    disk = turn.machine.enter()
    node = turn.machine.open[what][0] if isinstance(what, int) else disk.find(real_os.fspath(what))
    disk.touch(node, mtime_ns=ns[1])


def stat(path, *, dir_fd=None, follow_symlinks=True):
    disk = turn.machine.enter()
    return disk.stat(disk.find(_at(path, dir_fd)))


def replace(source, target, *, src_dir_fd=None, dst_dir_fd=None):
    turn.machine.enter().replace(_at(source, src_dir_fd), _at(target, dst_dir_fd))


def link(source, target, *, src_dir_fd=None, follow_symlinks=True):
    turn.machine.enter(writes=True).link(_at(source, src_dir_fd), real_os.fspath(target))


def mkdir(path, mode=0o777, *, dir_fd=None):
    turn.machine.enter(writes=True).mkdir(_at(path, dir_fd), mode)


def unlink(path, *, dir_fd=None):
    turn.machine.enter().unlink(_at(path, dir_fd))


def rmdir(path, *, dir_fd=None):
    turn.machine.enter().rmdir(_at(path, dir_fd))


def statvfs(_path):
    machine = turn.machine
    free = 0 if machine.full else machine.enter().free_bytes
    return SimpleNamespace(f_bavail=free, f_frsize=1)


def fdopen(fd, _mode="r", buffering=-1):
    return File(fd)


@contextlib.contextmanager
def scandir(folder):
    disk = turn.machine.enter()
    node = turn.machine.open[folder][0] if isinstance(folder, int) else disk.find(real_os.fspath(folder))
    yield [
        SimpleNamespace(name=name, stat=lambda entry=entry, **_: disk.stat(entry))
        for name, entry in sorted(node.entries.items())
    ]


def copyfile(source, target, *, follow_symlinks=True):
    data = turn.machine.enter().find(real_os.fspath(source)).data
    fd = open_(target, real_os.O_WRONLY | real_os.O_CREAT | real_os.O_TRUNC)
    write(fd, data)
    close(fd)


_SAME = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_CREAT", "O_EXCL", "O_CLOEXEC", "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK",
         "fspath", "fsdecode", "strerror", "stat_result", "path", "POSIX_FADV_DONTNEED")  # fmt: skip
os = SimpleNamespace(
    **{name: getattr(real_os, name) for name in _SAME},
    open=open_, close=close, write=write, pread=pread, pwrite=pwrite, ftruncate=ftruncate,
    copy_file_range=copy_file_range, fsync=fsync, fdatasync=fsync, fstat=fstat, fchmod=fchmod, utime=utime,
    stat=stat, replace=replace, link=link, mkdir=mkdir, unlink=unlink, rmdir=rmdir, statvfs=statvfs,
    posix_fadvise=lambda *_: None, fdopen=fdopen, scandir=scandir,
)  # fmt: skip


def token_hex(size_bytes):
    return turn.machine.token_hex(size_bytes)


def randbits(bits):
    """By the moment alone, so that the world's chance does not notice."""
    return random.Random(f"bits {turn.machine.monotonic_s()}").getrandbits(bits)


def sync_file_system(_folder):
    turn.machine.enter().sync_all()


def unwritten_bytes():
    """Little and much in turn, by the moment alone, so that the world's chance does not notice."""
    turn.machine.enter()
    return random.Random(f"unwritten {turn.machine.monotonic_s()}").choice((0, 1 << 30))


def begin_writing(fd):
    _opened(fd)  # what is written without an fsync may or may not be there after a power cut: that is so anyway


shutil = SimpleNamespace(copyfile=copyfile)
secrets = SimpleNamespace(token_hex=token_hex, randbits=randbits)


class SimulatedPath(PosixPath):
    """A path on the simulated disk of whoever's turn it is."""

    def stat(self, *, follow_symlinks=True):
        disk = turn.machine.enter()
        return disk.stat(disk.find(str(self)))

    def lstat(self):
        return self.stat()

    def is_symlink(self):
        return False

    def is_dir(self):
        node = turn.machine.enter().there(str(self))
        return node is not None and node.is_folder

    def is_file(self):
        node = turn.machine.enter().there(str(self))
        return node is not None and not node.is_folder

    def iterdir(self):
        names = sorted(turn.machine.enter().find(str(self)).entries)
        return iter([self / name for name in names])

    def mkdir(self, mode=0o777, parents=False, exist_ok=False):
        turn.machine.enter(writes=True).mkdir(str(self), mode)

    def unlink(self, missing_ok=False):
        try:
            turn.machine.enter().unlink(str(self))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rmdir(self):
        turn.machine.enter().rmdir(str(self))

    def rename(self, target):
        replace(self, target)

    def open(self, mode="r", buffering=-1, encoding=None, errors=None, newline=None):
        flags = {"rb": 0, "wb": real_os.O_CREAT | real_os.O_TRUNC, "xb": real_os.O_CREAT | real_os.O_EXCL}[mode]
        return File(open_(self, flags))

    def read_bytes(self):
        return turn.machine.enter().find(str(self)).data


def now_ns() -> int:
    return turn.machine.wall_ns()


def now_s() -> float:
    return turn.machine.wall_ns() / 1e9


def monotonic_s() -> float:
    return turn.machine.monotonic_s()


_MODULES = {"os": os, "shutil": shutil, "secrets": secrets}
_FUNCTIONS = {
    cluster.clock.now_ns: now_ns,
    cluster.clock.now_s: now_s,
    cluster.clock.monotonic_s: monotonic_s,
    cluster.durable_file.sync_file_system: sync_file_system,
    cluster.durable_file.begin_writing: begin_writing,
    cluster.durable_file.unwritten_bytes: unwritten_bytes,
}

_SMALLER = {
    ("replicator.publish.arrivals", "_PORTION_BYTES"): 8,
    ("replicator.disk.partials", "_LEAST_BYTES"): 4,
    ("replicator.disk.partials", "_ROUND_BYTES"): 2,
}
"""The contents of this world are small."""


@contextlib.contextmanager
def simulated():
    """Production code of the replicator runs on simulated machines meanwhile."""
    before = []
    logging = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    for name, module in list(sys.modules.items()):
        if name not in {"cluster.durable_file", "cluster.folders"} and not name.startswith("replicator."):
            continue
        for key, value in list(vars(module).items()):
            new = None
            if key in _MODULES and value is sys.modules[key]:
                new = _MODULES[key]
            elif isinstance(value, FunctionType):
                new = _FUNCTIONS.get(value)
            if new is not None:
                before.append((module, key, value))
                setattr(module, key, new)
    for (name, key), value in _SMALLER.items():
        before.append((sys.modules[name], key, getattr(sys.modules[name], key)))
        setattr(sys.modules[name], key, value)
    try:
        yield
    finally:
        structlog.configure(**logging)
        for module, key, value in before:
            setattr(module, key, value)


def _error(number: int) -> OSError:
    return OSError(number, real_os.strerror(number))
