"""A disk that forgets at a power cut what was not fsynced: bytes of files, and names in folders, each for itself.

Rules, as of POSIX with a journalling file system: a file's bytes and times are safe after its own fsync, a name after
the fsync of its folder. What was not fsynced may survive, wholly, torn, or not at all; a rename never leaves the file
without any name.
"""

import errno
import itertools
import os
import stat


class Inode:
    """A file or a folder."""

    __slots__ = ("ctime_ns", "data", "entries", "is_folder", "mode", "mtime_ns", "number", "safe")

    def __init__(self, number: int, is_folder: bool, mode: int, now_ns: int) -> None:
        self.number, self.is_folder, self.mode = number, is_folder, mode
        self.mtime_ns = self.ctime_ns = now_ns
        self.data = b""
        self.entries: dict[str, Inode] = {}
        self.safe = {} if is_folder else None  # a folder's safe names, a file's safe (data, mode, mtime)


class Status:
    """As os.stat_result; the names are counted only when somebody asks for them at once."""

    st_dev = 1

    def __init__(self, disk: "Disk", node: Inode) -> None:
        self.st_mode = (stat.S_IFDIR if node.is_folder else stat.S_IFREG) | node.mode
        self.st_ino, self.st_size = node.number, len(node.data)
        self.st_mtime_ns, self.st_ctime_ns = node.mtime_ns, node.ctime_ns
        self._disk, self._node = disk, node

    @property
    def st_ctime(self) -> float:
        return self.st_ctime_ns / 1e9

    @property
    def st_nlink(self) -> int:
        return self._disk.names(self._node)


class Disk:
    """One disk; `now_ns` is the clock of its host, `seen` hears of every change of a name or a file."""

    def __init__(self, now_ns) -> None:
        self.now_ns = now_ns
        self.seen = lambda _path, _deleted: None
        self.free_bytes = 1 << 40
        self._numbers = itertools.count(2)
        self._last_ns = 0
        self.root = Inode(1, True, 0o755, 0)
        self._journal: list[tuple[int, Inode, str, Inode | None]] = []
        self._moves = itertools.count()

    # looking

    def find(self, path: str) -> Inode:
        node = self.root
        for name in path.split("/"):
            if name:
                if not node.is_folder:
                    raise _error(errno.ENOTDIR, path)
                node = node.entries.get(name)
                if node is None:
                    raise _error(errno.ENOENT, path)
        return node

    def there(self, path: str) -> Inode | None:
        try:
            return self.find(path)
        except OSError:
            return None

    def stat(self, node: Inode):
        return Status(self, node)

    def names(self, node: Inode) -> int:
        """How many there are of it."""
        entries = _below(self.root, "", lambda folder: folder.entries)
        return sum(entry is node for _, entry in entries) if not node.is_folder else 1

    def files(self, folder: str = "") -> dict[str, Inode]:
        """Every entry below a folder, by its path from there."""
        return dict(_below(self.find(folder), "", lambda node: node.entries))

    def safe_files(self) -> dict[str, bytes]:
        """What would be left after the worst power cut: the files by their path from the top."""
        found = _below(self.root, "", lambda node: node.safe)
        return {path: node.safe[0] for path, node in found if not node.is_folder and node.safe is not None}

    def write_journal(self) -> None:
        """As file systems do every few seconds: all names are safe."""
        for _, folder, _, _ in list(self._journal):
            self.sync(folder)

    # changing

    def create(self, path: str, mode: int = 0o644) -> Inode:
        folder, name = self._parent(path)
        node = Inode(next(self._numbers), False, mode, self._tick())
        self._set(folder, name, node)
        self.seen(path, False)
        return node

    def write(self, node: Inode, data: bytes, offset: int | None = None) -> None:
        offset = len(node.data) if offset is None else offset
        if offset > len(node.data):
            self.resize(node, offset)
        node.data = node.data[:offset] + data + node.data[offset + len(data) :]
        node.mtime_ns = node.ctime_ns = self._tick()

    def resize(self, node: Inode, size: int) -> None:
        node.data = node.data[:size] + bytes(max(0, size - len(node.data)))
        node.mtime_ns = node.ctime_ns = self._tick()

    def truncate(self, node: Inode) -> None:
        node.data = b""
        node.mtime_ns = node.ctime_ns = self._tick()

    def rot(self, node: Inode) -> None:
        """The disk damages the file's content, and its stat says nothing of it."""
        node.data = node.data[:-1] + bytes([node.data[-1] ^ 1])
        node.safe = (node.data, *node.safe[1:])

    def touch(self, node: Inode, *, mtime_ns: int | None = None, mode: int | None = None) -> None:
        node.mtime_ns = node.mtime_ns if mtime_ns is None else mtime_ns
        node.mode = node.mode if mode is None else mode
        node.ctime_ns = self._tick()

    def mkdir(self, path: str, mode: int = 0o755) -> None:
        folder, name = self._parent(path)
        if name in folder.entries:
            raise _error(errno.EEXIST, path)
        self._set(folder, name, Inode(next(self._numbers), True, mode, self._tick()))
        self.seen(path, False)

    def unlink(self, path: str) -> None:
        folder, name = self._parent(path)
        node = self.find(path)
        if node.is_folder:
            raise _error(errno.EISDIR, path)
        node.ctime_ns = self._tick()
        self._set(folder, name, None)
        self.seen(path, True)

    def rmdir(self, path: str) -> None:
        folder, name = self._parent(path)
        node = self.find(path)
        if not node.is_folder:
            raise _error(errno.ENOTDIR, path)
        if node.entries:
            raise _error(errno.ENOTEMPTY, path)
        self._set(folder, name, None)
        self.seen(path, True)

    def link(self, source: str, target: str) -> None:
        node = self.find(source)
        folder, name = self._parent(target)
        if name in folder.entries:
            raise _error(errno.EEXIST, target)
        node.ctime_ns = self._tick()
        self._set(folder, name, node)

    def replace(self, source: str, target: str) -> None:
        node = self.find(source)
        from_folder, from_name = self._parent(source)
        to_folder, to_name = self._parent(target)
        old = to_folder.entries.get(to_name)
        if old is node:
            return
        if old is not None and old.is_folder and (not node.is_folder or old.entries):
            raise _error(errno.EISDIR if not node.is_folder else errno.ENOTEMPTY, target)
        if old is not None and not old.is_folder and node.is_folder:
            raise _error(errno.ENOTDIR, target)
        node.ctime_ns = self._tick()
        move = next(self._moves)
        self._set(to_folder, to_name, node, move)
        self._set(from_folder, from_name, None, move)
        self.seen(source, True)
        self.seen(target, False)

    def sync_all(self) -> None:
        for node in [self.root, *self.files().values()]:
            self.sync(node)

    def sync(self, node: Inode) -> None:
        if not node.is_folder:
            node.safe = (node.data, node.mode, node.mtime_ns)
            return
        for _, folder, name, entry in self._journal:
            if folder is node:
                _apply(folder.safe, name, entry)
        self._journal = [change for change in self._journal if change[1] is not node]

    def put(self, path: str, data: bytes, mtime_ns: int | None = None) -> None:
        """What a careful program does: write, fsync, rename, fsync. Missing folders are made."""
        names = path.split("/")[:-1]
        for count in range(1, len(names) + 1):
            folder = "/".join(names[:count])
            if self.there(folder) is None:
                self.mkdir(folder)
                self.sync(self._parent(folder)[0])
        staged = f".tripod-outside-{next(self._moves)}"
        node = self.create(staged)
        self.write(node, data)
        if mtime_ns is not None:
            self.touch(node, mtime_ns=mtime_ns)
        self.sync(node)
        self.replace(staged, path)
        self.sync(self._parent(path)[0])
        self.sync(self.root)

    # losing

    def lose_power(self, chance) -> None:
        """Forget what was not fsynced, as chance has it."""
        upto = chance.choice((0, len(self._journal), chance.randint(0, len(self._journal))))
        luck = chance.choice((0.0, 0.5))
        kept_moves = set()
        for position, (move, folder, name, entry) in enumerate(self._journal):
            kept = position < upto or chance.random() < luck
            if entry is None and move >= 0 and move not in kept_moves:
                kept = False  # a rename never leaves the file without any name
            if kept:
                kept_moves.add(move)
                _apply(folder.safe, name, entry)
        self._journal = []
        done: set[int] = set()
        folders = [self.root]
        while folders:
            folder = folders.pop()
            folder.entries = dict(folder.safe)
            for node in folder.entries.values():
                if node.is_folder:
                    folders.append(node)
                elif node.number not in done:
                    done.add(node.number)
                    _tear(node, chance)

    def copy(self) -> "Disk":
        """What a snapshot of the disk has: all of it, safe."""
        other = Disk(self.now_ns)
        other._numbers = self._numbers
        copies: dict[int, Inode] = {}
        other.root = _copy(self.root, copies)
        return other

    def _parent(self, path: str) -> tuple[Inode, str]:
        above, _, name = path.rstrip("/").rpartition("/")
        folder = self.find(above)
        if not folder.is_folder:
            raise _error(errno.ENOTDIR, path)
        return folder, name

    def _set(self, folder: Inode, name: str, entry: Inode | None, move: int = -1) -> None:
        _apply(folder.entries, name, entry)
        folder.mtime_ns = folder.ctime_ns = self._tick()
        self._journal.append((move, folder, name, entry))

    def _tick(self) -> int:
        """The clock of the host; no two changes at the very same moment."""
        now_ns = self.now_ns()
        self._last_ns = now_ns + 1 if now_ns == self._last_ns else now_ns
        return self._last_ns


def _tear(node: Inode, chance) -> None:
    now = (node.data, node.mode, node.mtime_ns)
    if node.safe != now:
        old = node.safe or (b"", node.mode, node.mtime_ns)
        half = chance.randint(0, len(node.data))
        torn = (node.data[:half] + b"\0" * (len(node.data) - half), node.mode, node.mtime_ns)
        node.safe = chance.choice((old, now, torn))
    node.data, node.mode, node.mtime_ns = node.safe


def _apply(entries: dict[str, Inode], name: str, entry: Inode | None) -> None:
    if entry is None:
        entries.pop(name, None)
    else:
        entries[name] = entry


def _below(folder: Inode, prefix: str, entries):
    for name, node in sorted(entries(folder).items()):
        yield prefix + name, node
        if node.is_folder:
            yield from _below(node, f"{prefix}{name}/", entries)


def _copy(node: Inode, copies: dict[int, Inode]) -> Inode:
    if node.number in copies:
        return copies[node.number]
    twin = copies[node.number] = Inode(node.number, node.is_folder, node.mode, 0)
    twin.data, twin.mtime_ns, twin.ctime_ns = node.data, node.mtime_ns, node.ctime_ns
    twin.entries = {name: _copy(entry, copies) for name, entry in node.entries.items()}
    twin.safe = dict(twin.entries) if node.is_folder else (node.data, node.mode, node.mtime_ns)
    return twin


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
