"""Bugs to plant in production code, each at one patch point: the simulation must find every one."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import reduce

import msgspec

import replicator.core.belief
import replicator.index.index
import replicator.peers.door
import replicator.publish.publishing
import replicator.replica
from cluster.folders import OpenFolders
from replicator.core import place as core_place
from replicator.core.head import Dot, joined, seen_by
from replicator.core.hybrid_clock import corrected, drift_ns, ticked
from replicator.disk.conflict_store import ConflictStore
from replicator.disk.marker import Marker
from replicator.disk.tree import ANYTHING, Tree
from replicator.disk.versions import Versions
from replicator.engine import Engine
from replicator.peers.membership import Membership
from replicator.peers.mesh import Mesh, PreparedCopies
from replicator.replica import Replica
from replicator.watching.scan import Scan
from tests.replicator.simulation import kernel
from tests.replicator.simulation.history import WEIGHTS, Event, History, clocks_run_ahead, random_history
from tests.replicator.simulation.shrink import broken_promise


class Planted(msgspec.Struct, frozen=True):
    """One planted bug.

    The search draws the kinds `often` more often, or other `histories`, and begins with the seed `first` to save time.
    """

    what: str
    patches: tuple[tuple[object, str, Callable], ...]
    often: dict[str, int] = {}
    first: int = 0
    histories: Callable[[int, Mapping[str, int]], History] = random_history


def histories_until_found(planted: Planted, most: int) -> int | None:
    """After how many histories the bug is found, or None when it is not within `most`."""
    weights = WEIGHTS | planted.often
    with planting(planted):
        for number in range(most):
            if broken_promise(planted.histories(planted.first + number, weights)):
                return number + 1
    return None


@contextlib.contextmanager
def planting(planted: Planted) -> Iterator[None]:
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in planted.patches]
    for owner, name, instead in planted.patches:
        setattr(owner, name, instead)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def fsync_of_folders_only(fd):
    node, _ = kernel.turn.machine.open[fd]
    if node.is_folder:
        kernel.fsync(fd)


def fsync_of_files_only(fd):
    node, _ = kernel.turn.machine.open[fd]
    if not node.is_folder:
        kernel.fsync(fd)


_put = Tree.put


def _put_alone(tree, piece):
    with OpenFolders(tree.root) as folders:
        _put(tree, folders, piece)


def put_after_the_index(self, _folders, piece):
    later = piece.staged.with_name(f"{piece.staged.name}-later")
    kernel.link(piece.staged, later)
    row = msgspec.structs.replace(piece.wanted, inode=later.lstat().st_ino)
    moved = msgspec.structs.replace(piece, staged=later, known=ANYTHING)
    asyncio.get_running_loop().call_later(0.05, _put_alone, self, moved)
    return row


def unlink_then_put(self, folders, piece):
    with self._at(piece.path, piece.known) as (folder, name), contextlib.suppress(FileNotFoundError, IsADirectoryError):
        kernel.unlink(name, dir_fd=folder)
    return _put(self, folders, msgspec.structs.replace(piece, known=ANYTHING))


def newest_mtime(one, other):
    def better(mine, theirs):
        if mine.vector.get(theirs.dot.replica, 0) >= theirs.dot.sequence:
            return mine
        if theirs.vector.get(mine.dot.replica, 0) >= mine.dot.sequence:
            return theirs
        return max(mine, theirs, key=lambda head: (head.mtime_ns, head.dot))

    heads = [*one, *other]
    return (reduce(better, heads),) if heads else ()


def step_pairwise(place, clock, event):
    return core_place.step(place, clock, event, newest_mtime)


def restamp_anew(place, clock, event, merge):
    for head in place.heads:
        if head.dot.replica == clock.replica and drift_ns(head.stamp_ns, event.now_ns):
            clock = ticked(corrected(clock, event.now_ns), event.now_ns)
            dot = Dot(clock.replica, clock.sequence)
            again = msgspec.structs.replace(head, dot=dot, vector=head.seen, stamp_ns=clock.stamp_ns)
            heads, seen = merge(place.heads, (again,)), joined((place.seen, again.seen))
            place = msgspec.structs.replace(place, heads=heads, seen=seen, announced=clock.sequence)
    return place, clock


async def keep_nothing(_self, _path, place=None, *, keep=False):
    return place.row if place is not None else None


async def claim_prepared(_self, _path, _offer, links, _enough):
    return PreparedCopies(tuple(links), kernel.monotonic_s() + 1.0)


async def claim_small_prepared(_self, _files, links, _enough):
    return PreparedCopies(tuple(links), kernel.monotonic_s() + 1.0)


async def claim_committed(_self, _entries, copies):
    return len(copies.links)


_scan = Scan.__init__


def scan_deletes(self, replica, watch, *, missing_is_deleted):
    _scan(self, replica, watch, missing_is_deleted=True)


def forget_at_once(self, _now_s, now_ns):
    self._index.forget_tombstones(self._index.durable_sequence, now_ns + 10**18)


async def keep_no_version(_self, _path, place, _successor=""):
    return place.row


@contextlib.asynccontextmanager
async def intend_nothing(*_):
    yield


async def always_here(self, path, content_id):
    row = self._replica.index.place(path).row
    return row is not None and row.content_id == content_id


def crashes_in_an_upload(seed: int, _weights: Mapping[str, int]) -> History:
    """The only copy of a file is uploaded over, and its node crashes at its so-many-th call meanwhile."""
    return History(
        seed,
        2,
        (
            Event(0.5, "cut", 0, other="1", lasts_s=5.0),
            Event(1.0, "upload", 0, "a", "local", 7),
            Event(2.0, "crash-at-call", 0, number=4 * seed + 1, lasts_s=1.0),
            Event(2.001, "upload", 0, "a", "local", 8),
        ),
    )


PLANTED = (
    Planted("bytes are not fsynced", ((kernel.os, "fsync", fsync_of_folders_only),)),
    Planted("names are not fsynced", ((kernel.os, "fsync", fsync_of_files_only),)),
    Planted("the index is committed before the rename", ((Tree, "put", put_after_the_index),)),
    Planted(
        "the old file is unlinked before the rename",
        ((Tree, "put", unlink_then_put), (Versions, "keep", keep_no_version)),  # a kept version would mend it
        histories=crashes_in_an_upload,
    ),
    Planted("of two versions the newer mtime wins, pairwise", ((replicator.index.index, "step", step_pairwise),)),
    Planted(
        "content that lost is not kept",
        ((ConflictStore, "keep_losers", keep_nothing), (ConflictStore, "keep_shown", keep_nothing)),
    ),
    Planted(
        "226 does not wait for the peers",
        (
            (Mesh, "prepare", claim_prepared),
            (Mesh, "prepare_small", claim_small_prepared),
            (Mesh, "commit", claim_committed),
        ),
    ),
    Planted("what a scan misses is deleted", ((Scan, "__init__", scan_deletes),)),
    Planted(
        "a rolled-back node goes on",
        (
            (replicator.replica, "remembers_more", lambda *_: False),
            (Marker, "disown", lambda *_: None),
            (Engine, "_disown", lambda *_: None),
        ),
        first=130,
    ),
    Planted("tombstones are forgotten at once", ((Membership, "tick", forget_at_once),)),
    Planted("a clock from the future is believed", ((replicator.peers.door, "disbelief", lambda *_: None),)),
    Planted(
        "what is restamped is a new version",
        ((core_place, "_restamped", restamp_anew),),
        histories=clocks_run_ahead,
    ),
    Planted(
        "a version that is applied leaves no intent",
        ((Replica, "_intending", intend_nothing),),
        dict.fromkeys(WEIGHTS, 0) | {"crash-at-call": 40, "upload": 30, "remove": 15},
        first=290,
    ),
    Planted(
        "a member that was away for months goes on with its index",
        ((Membership, "refusal", lambda *_: ""),),
        {"away": 25, "remove": 25, "wipe": 0, "roll-back": 0, "clone": 0, "leave": 0, "forget": 0},
    ),
    Planted(
        "two clones of a node go on, both",
        (
            (replicator.index.index, "was_given", lambda *_: True),
            (replicator.core.belief, "was_given", lambda *_: True),
        ),
        {"clone": 25, "kill": 10, "wipe": 0, "leave": 0, "away": 0},
    ),
    Planted(
        "what is found on a read-only member becomes a version",
        ((replicator.index.index, "without_version", lambda event: event),),
    ),
    Planted(
        "an upload supersedes what came while it waited",
        ((replicator.publish.publishing, "replaceable", lambda heads, _asked, _content_id: seen_by(heads)),),
        {"upload": 60, "slow": 10, "wipe": 0, "leave": 0},
    ),
)
