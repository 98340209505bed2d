"""What must hold, whatever happens: judged from what clients did and were told, and from what is on the disks.

The judge believes no index: it knows which content a client (or a program past the replicator) had before its eyes
when it replaced or deleted something, and which content was promised.
"""

from cluster.content_id import content_id_of
from cluster.tree_path import CONFLICTS, STAGING, VERSIONS, is_below, parents
from replicator.core.head import Head, Heads, Kind, supersedes
from replicator.core.hybrid_clock import drift_ns
from replicator.core.place import Heard, Place, Row, Written
from tests.replicator.simulation.node import ROOT


class BrokenPromiseError(AssertionError):
    """Something that must hold does not."""


class Operation:
    """A request that a client made of a node, and what was before its eyes."""

    def __init__(self, node, paths: tuple[str, ...], content: str = "") -> None:
        self.node, self.paths, self.content = node, paths, content
        self.shown = {shown for path in paths for shown in contents_at(node.disk, path)}
        heads = [head for path in node.index.places for head in node.index.place(path).heads if self.covers(path)]
        self.known = self.shown | {head.content_id for head in heads}
        self.moved: set[str] = set()
        self.overwritten = False
        self.replaced: set[tuple[str, str]] = set()

    def covers(self, path: str) -> bool:
        return any(path == mine or is_below(path, mine) for mine in self.paths if mine)

    def did(self, path: str, row: Row | None, before: Place) -> set[str]:
        """What is gone by its own will, when this was written and these heads were there before."""
        if not self.covers(path) or (self.content and (row is None or row.content_id != self.content)):
            return set()
        gone = {head.content_id for head in before.heads if head.kind is Kind.FILE}
        if row is None or self.content:
            gone &= self.known  # who deletes or uploads, takes away what was there when it asked
        if row is not None:
            self.moved.add(row.content_id)
            gone.discard(row.content_id)
        self.replaced |= {(path, content) for content in gone}
        return (gone | self.shown) - self.moved


class Judge:
    """Collects promises during a run, and holds the cluster to them."""

    def __init__(self, world) -> None:
        self._world = world
        self.promised: dict[str, str] = {}
        self.may_be_gone: set[str] = set()
        self.must_be_gone: set[tuple[str, str]] = set()
        self.memory_lost = False  # a node lost its disk or its index: deleted content may come back with it
        self.acknowledged = 0
        self.rotten: set[str] = set()
        self._damaged: set[str] = set()
        self._touched: set[tuple[str, str]] = set()
        self._gone_at: dict[tuple[str, str], set[str]] = {}
        self._was: dict[str, set[str]] = {}  # what stood where rotten content stands now, wherever that was renamed to
        self._half_done: set[tuple[str, str]] = set()
        self._open: dict[str, list[Operation]] = {}
        self._unknown: dict[str, list[Operation]] = {}

    def bug(self, text: str, cause: BaseException | None = None):
        if self._world.bug is None:
            self._world.bug = BrokenPromiseError(text)
            self._world.bug.__cause__ = cause

    # what happens

    def opened(self, operation: Operation):
        self._unknown.pop(operation.node.name, None)
        self._open.setdefault(operation.node.name, []).append(operation)

    def closed(self, operation: Operation):
        if operation in self._open.get(operation.node.name, []):
            self._open[operation.node.name].remove(operation)

    def died(self, node):
        """What was being done may have been done, and is found at the restart."""
        cut_off = self._open.pop(node.name, [])
        self._unknown.setdefault(node.name, []).extend(cut_off)
        for operation in cut_off:
            left = {content for path in operation.paths for content in contents_at(node.disk, path)}
            if not operation.content or operation.content in left:  # an upload takes nothing away but by what it puts
                self.may_be_gone |= operation.shown - left
            self.rotten -= (
                left  # what it had touched on the disk already is read anew, and looks like somebody's change
            )

    def fed(self, node, path: str, event, before: Place, after: Place):
        """The index of a node took something in."""
        if self._world.tell and (before != after):
            what = [f"{h.kind.value} {h.content_id[:6]} {h.dot.replica[:4]}/{h.dot.sequence}" for h in after.heads]
            self._world.say(
                f"{node.name} {type(event).__name__} {path}: {what}, row {after.row and after.row.content_id[:6]}"
            )
        if isinstance(event, Heard) and any(head.is_live and _is_ahead(head, node.wall_ns()) for head in event.heads):
            self.bug(f"{node.name} believes a peer that {path} was changed in the future")
        if not isinstance(event, Written):
            return
        row = event.row
        if row is not None and row.kind is Kind.FILE:
            self.must_be_gone.discard((path, row.content_id))
        for operation in self._open.get(node.name, []) + self._unknown.get(node.name, []):
            if row is not None and operation.content == row.content_id and not operation.overwritten:
                self.may_be_gone.discard(row.content_id)
            self.may_be_gone |= operation.did(path, row, before)

    def wrote_past(self, node, path: str, content: str | None):
        """A program on the host writes durably, or deletes (None)."""
        shown = contents_at(node.disk, path)
        self.may_be_gone |= shown
        for place in (path, *parents(path)):  # a folder is made where a file was before it vanished
            self.may_be_gone |= self._gone_at.get((node.name, place), set())
        self.may_be_gone |= {content for rotten in shown for content in self._was.get(rotten, ())}
        for operation in self._open.get(node.name, []):
            if operation.covers(path):
                operation.overwritten |= operation.content in shown
                operation.shown |= {content} if content else set()
        if content is not None:
            self.promised[content] = f"written to {path} on the disk of {node.name}"

    def renamed_past(self, node, source: str, target: str):
        """A program on the host renames durably: what it moves is back at the target because it wants it there.

        What has rotted meanwhile looks like something it wrote.
        """
        self.rotten -= contents_at(node.disk, source)
        self.may_be_gone |= self._gone_at.get((node.name, source), set())
        self.wrote_past(node, target, None)
        back = {(target, content) for content in contents_at(node.disk, source)}
        self.must_be_gone -= back
        for operation in self._open.get(node.name, []):
            operation.replaced -= back

    def touched_past(self, node, path: str):
        """A program sets another time, durably: that beats a removal elsewhere, as any edit does."""
        self._touched |= {(path, content) for content in contents_at(node.disk, path)}

    def acknowledged_upload(self, operation: Operation, copies: int):
        """A client was told that its upload is safe on so many nodes."""
        (path,), content = operation.paths, operation.content
        self.acknowledged += 1
        if operation.node in self._world.members:  # or else it was taken out of the cluster while it answered
            self.promised[content] = f"uploaded as {path} to {operation.node.name}, {copies} copies"
        self.acknowledged_change(operation)
        self.closed(operation)
        if operation.overwritten or content in self.may_be_gone | self._damaged or self.memory_lost:
            return
        holders = [node.name for node in self._world.nodes if _holds(node, path, content) or self._replaces(node, path)]
        if len(holders) < copies:
            self.bug(f"{path} was acknowledged with {copies} copies, and is safe on {holders} alone")

    def _replaces(self, node, path: str) -> bool:
        """Whether another client is just replacing it there."""
        return any(operation.covers(path) for operation in self._open.get(node.name, []))

    def failed(self, operation: Operation):
        """The disk failed in the middle: nobody knows what is there now; a repeated upload may be back."""
        self.may_be_gone |= operation.known
        for path in operation.paths:  # an upload that failed after the rename has replaced what came meanwhile
            self.may_be_gone |= {head.content_id for head in operation.node.index.place(path).heads}
        self._half_done |= {(path, operation.content) for path in operation.paths}

    def acknowledged_change(self, operation: Operation):
        gone = {entry for entry in operation.replaced if entry[1] != operation.content}
        self.must_be_gone |= {entry for entry in gone if not self._lives_unseen(operation.node, *entry)}

    def _lives_unseen(self, node, path: str, content: str) -> bool:
        """Whether somebody has made another version of it that this node has not seen: an edit beats a removal."""
        mine = node.index.place(path).heads
        heads = [head for other in self._world.nodes for head in _heads(other, path)]
        return any(head.content_id == content and not any(supersedes(my, head) for my in mine) for head in heads)

    def damages(self, node, path: str):
        """The content vanishes from one node: it must come back from another that has it."""
        for operation in self._open.get(node.name, []):
            operation.overwritten |= operation.covers(path) and operation.content in contents_at(node.disk, path)
        for content in contents_at(node.disk, path):
            self._damaged.add(content)
            self._gone_at.setdefault((node.name, path), set()).add(content)
            others = [other for other in self._world.members if other is not node]
            if not any(content in _safe_contents(other, hidden=(STAGING,)) for other in others):
                self.may_be_gone.add(content)

    def rots(self, node, path: str, content: str):
        """The content at a path becomes this other one, which nobody ever wrote: it must spread nowhere."""
        self._was.setdefault(content, set()).update(contents_at(node.disk, path))
        self.damages(node, path)
        self.rotten.add(content)

    def loses_disk(self, node):
        """What only this node had is lost with it."""
        self.memory_lost = True
        self.loses(node)

    def loses(self, node):
        """The node is gone, and nobody waited until the others had what it had."""
        for content in list(self.promised):
            if not any(other is not node and content in _safe_contents(other) for other in self._world.members):
                del self.promised[content]

    # the end

    def verdict(self):
        """All nodes alike, nothing lost, nothing come back; else BrokenPromiseError."""
        first, *others = nodes = self._world.members
        trees = {node.name: tree_of(node.disk) for node in nodes}
        for node in others:
            if trees[node.name] != trees[first.name]:
                self._fail(f"{first.name} and {node.name} differ: {_difference(trees[first.name], trees[node.name])}")
        visible = {(path, entry[1]) for path, entry in trees[first.name].items() if entry[0] == "file"}
        for node in nodes:
            self._check_index(node, trees[first.name])
        kept = {content for node in nodes for content in _contents_below(node.disk, f"{ROOT}/{CONFLICTS}")}
        for content, promise in self.promised.items():
            if content not in self.may_be_gone and content not in kept and content not in {c for _, c in visible}:
                self._fail(f"lost: {content[:8]}, {promise}")
        spread = self.rotten & {content for _, content in visible}
        if spread and not self.memory_lost:
            self._fail(f"rotten content is taken for a version: {sorted(content[:8] for content in spread)}")
        back = visible & self.must_be_gone - self._touched - self._half_done
        if back and not self.memory_lost:
            self._fail(f"came back: {sorted((path, content[:8]) for path, content in back)}")

    def _check_index(self, node, tree: dict[str, tuple]):
        for path, entry in tree.items():
            row = node.index.place(path).row
            if row is None or (row.kind.value, row.content_id) != entry[:2]:
                self._fail(f"the index of {node.name} takes {path} for {row}, but the disk shows {entry}")
        mirrors = self._world.whole_settings.nodes.keys() - self._world.whole_settings.writers
        for path, place in node.index.places.items():
            if any(head.dot.node in mirrors for head in place.heads):
                self._fail(f"{node.name} knows a version of {path} that a read-only member made")
            if any(_is_ahead(head, self._world.true_ns()) for head in place.heads):
                self._fail(f"{node.name} believes a stamp from the future for {path}")

    def _fail(self, text: str):
        raise BrokenPromiseError(text)


def contents_at(disk, path: str) -> set[str]:
    """The content ids of the file at a path, or of all files below it."""
    found = disk.there(f"{ROOT}/{path}")
    if found is None:
        return set()
    if found.is_folder:
        return _contents_below(disk, f"{ROOT}/{path}")
    return {content_id_of(found.data)}


def tree_of(disk) -> dict[str, tuple]:
    """What the clients see: kind, content and time of every path."""
    tree = {}
    for path, node in disk.files(ROOT).items():
        if path.partition("/")[0] != ".tripod":
            tree[path] = ("directory", "") if node.is_folder else ("file", content_id_of(node.data), node.mtime_ns)
    return tree


def holds_anywhere(node, content: str) -> bool:
    """Whether a disk has the content, as a file or in the conflict store."""
    files = node.disk.files(ROOT).items()
    return any(content_id_of(file.data) == content for path, file in files if not path.startswith(STAGING))


def _contents_below(disk, folder: str) -> set[str]:
    if disk.there(folder) is None:
        return set()
    return {content_id_of(node.data) for node in disk.files(folder).values() if not node.is_folder}


def _safe_contents(node, *, hidden: tuple[str, ...] = (STAGING, VERSIONS)) -> set[str]:
    """What the node would have after the worst power cut; a kept version keeps no promise, but mends damage."""
    prefixes = tuple(f"{ROOT}/{folder}" for folder in hidden)
    files = node.disk.safe_files()
    return {content_id_of(data) for path, data in files.items() if not path.startswith(prefixes)}


def _holds(node, path: str, content: str) -> bool:
    """Whether the node would have it, and know of the path, after the worst power cut now."""
    return node.rows.value("places", path, Place) is not None and content in _safe_contents(node)


def _heads(node, path: str) -> Heads:
    """What a node knows of a path, or would know if it were started now."""
    place = node.index.place(path) if node.program else node.rows.value("places", path, Place)
    return place.heads if place else ()


def _is_ahead(head: Head, now_ns: int) -> bool:
    return drift_ns(head.stamp_ns, now_ns) > 0


def _difference(one: dict, other: dict) -> str:
    paths = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return ", ".join(f"{path}: {_short(one.get(path))} / {_short(other.get(path))}" for path in paths)


def _short(entry) -> str:
    return "nothing" if entry is None else " ".join(str(part)[:12] for part in entry)
