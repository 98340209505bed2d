"""What must hold in the end, judged by what writers did and were told, and by what the disks and the lists show.

The judge asks no index who won: what an operation took away it must have had before its eyes, on the disk of its node,
or it ran at the same moment there, or what it took away is kept as a version that it may have heard of.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from cluster.kept import ListedConflict
from cluster.tree_path import CONFLICTS, is_below, parents
from tests.soak.operations import DONE, REFUSED, Operation
from tests.soak.shown import FOLDER, Entry, Shown
from tests.soak.split import Split

Nodes = Mapping[str, Shown]


class Difference(msgspec.Struct, frozen=True):
    """A path that two nodes do not show alike."""

    path: str
    node: str
    shows: Entry | None
    other: str
    other_shows: Entry | None


def differences(nodes: Nodes) -> Iterator[Difference]:
    """What any node does not show as the first one does."""
    (name, first), *others = nodes.items()
    for other, shown in others:
        for path in sorted(first.tree.keys() | shown.tree.keys()):
            if first.tree.get(path) != shown.tree.get(path):
                yield Difference(path, name, first.tree.get(path), other, shown.tree.get(path))


class Judge:
    """Judges what `nodes` show after these operations; each method yields findings as sentences."""

    def __init__(self, operations: Iterable[Operation], splits: Sequence[Split], nodes: Nodes) -> None:
        self._nodes = nodes
        self._splits = splits
        everything = list(operations)
        self._operations = [operation for operation in everything if operation.outcome != REFUSED]
        self._all = everything
        self._by_path: dict[str, list[Operation]] = {}
        self._renames: dict[str, list[Operation]] = {}
        self._makers: dict[str, list[Operation]] = {}
        for operation in self._operations:
            for path in {operation.path, operation.target} - {""}:
                self._by_path.setdefault(path, []).append(operation)
            if operation.kind == "rename":
                self._renames.setdefault(operation.path, []).append(operation)
            if operation.content:
                self._makers.setdefault(operation.content, []).append(operation)
        self._kept = {content for shown in nodes.values() for content in shown.kept.values()}
        self._versions = {content for shown in nodes.values() for content in shown.versions}
        first = next(iter(nodes.values()))
        self._visible = {path: entry.content for path, entry in first.tree.items() if entry.content != FOLDER}
        self._places = {content: self._places_of(makers) for content, makers in self._makers.items()}

    def findings(self) -> Iterator[str]:
        """All of them."""
        yield from self.differences()
        yield from self.lost()
        yield from self.unexplained()
        yield from self.came_back()
        yield from self.stale()
        yield from self.left_in_staging()
        yield from self.wrongly_listed()
        yield from self.split_wrongly()

    def differences(self) -> Iterator[str]:
        """Nodes whose trees are not alike."""
        for one in differences(self._nodes):
            yield f"{one.path}: {one.node} has {one.shows}, {one.other} has {one.other_shows}"

    def lost(self) -> Iterator[str]:
        """Content that was promised, and that nobody took away who had seen it."""
        visible = set(self._visible.values())
        for content, makers in self._makers.items():
            promised = [maker for maker in makers if maker.outcome == DONE]
            if promised and content not in visible | self._kept and not self.is_explained(content):
                yield f"lost: {promised[0]}"

    def unexplained(self) -> Iterator[str]:
        """Content that stands where nobody put it."""
        for path, content in self._visible.items():
            if path not in self._places.get(content, ()):
                said = [str(operation) for operation in self._all if operation.content == content]
                yield f"{path} shows {content[:8]}, which nobody put there; {said or 'nobody made it'}"

    def came_back(self) -> Iterator[str]:
        """Content that a client has replaced or removed, was told so, and that is visible there again."""
        for taker in self._operations:
            there = self._visible.get(taker.takes)
            if taker.is_program or taker.outcome != DONE or there not in taker.gone:
                continue
            if not any(
                self._puts(other, taker.takes, there) and other.ended_s > taker.began_s
                for other in self._covering(taker.takes)
                if other is not taker
            ):
                yield f"came back: {there[:8]}, which was taken away by {taker}"

    def stale(self) -> Iterator[str]:
        """Files that one program alone writes, and whose last content is not what is visible."""
        for path, operations in self._by_path.items():
            last = operations[-1]
            alone = all(other.who == last.who and other.path == path for other in self._covering(path))
            is_last = alone and last.is_program and last.content and last.outcome == DONE
            if is_last and self._visible.get(path) != last.content:
                yield f"{path} shows {self._visible.get(path)}, and not what came last: {last}"

    def left_in_staging(self) -> Iterator[str]:
        """Staged files that nobody will need."""
        for node, shown in self._nodes.items():
            if shown.staged:
                yield f"{node} has {len(shown.staged)} files left in staging, such as {shown.staged[0]}"

    def wrongly_listed(self) -> Iterator[str]:
        """Conflicts that are listed and cannot be, or of which the store has something else than the list says."""
        for node, shown in self._nodes.items():
            for conflict in shown.listed:
                if conflict.file:
                    name = conflict.file.removeprefix(f"{CONFLICTS}/")
                    if shown.kept.get(name) != conflict.content_id:
                        yield f"{node} lists {_told(conflict)}, and its store has {shown.kept.get(name)} there"
                if conflict.path not in self._places.get(conflict.content_id, ()):
                    yield f"{node} lists {_told(conflict)}, where it never was"
                elif not self._may_be_concurrent(conflict):
                    yield f"{node} lists {_told(conflict)}, and nobody wrote there without having seen it"
                elif not self._is_still_there(conflict.content_id):
                    yield f"{node} lists {_told(conflict)}, and nobody has it any more"
            named = {conflict.file.removeprefix(f"{CONFLICTS}/") for conflict in shown.listed}
            for name in shown.kept.keys() - named:
                yield f"{node} keeps {name} in its conflict store, and lists it nowhere"

    def split_wrongly(self) -> Iterator[str]:
        """Splits of which not all but the last content are listed everywhere, and kept."""
        for split in self._splits:
            *losers, (_, winner) = split.contents
            if self._visible.get(split.path) != winner:
                yield f"{split}: {self._visible.get(split.path)} is visible, and not the last"
            for node, shown in self._nodes.items():
                listed = {(one.node, one.content_id) for one in shown.listed if one.path == split.path}
                if listed != set(losers):
                    yield f"{split}: {node} lists {sorted(listed)}"
            for _, content in losers:
                if content not in self._kept:
                    yield f"{split}: no store has {content[:8]}"

    def is_explained(self, content: str) -> bool:
        """Whether somebody took this content away who had seen it."""
        makers = self._makers.get(content, ())
        for place in self._places.get(content, ()):
            for taker in self._covering(place):
                if taker in makers or not self._takes_from(taker, place):
                    continue
                if content in taker.gone:
                    return True
                for maker in makers:
                    at_once = maker.node == taker.node and _overlap(maker, taker)
                    if at_once or (content in self._versions and taker.ended_s > maker.began_s):
                        return True
        return False

    def _is_still_there(self, content: str) -> bool:
        return content in self._kept | set(self._visible.values()) or self.is_explained(content)

    def _may_be_concurrent(self, conflict: ListedConflict) -> bool:
        """Whether anything else happened to the path that need not have come before or after it."""
        touching = self._covering(conflict.path)
        mine = [one for one in touching if self._puts(one, conflict.path, conflict.content_id)]
        return any(
            not (_is_known_everywhere(one, before=other) or _is_known_everywhere(other, before=one))
            for one in mine
            for other in touching
            if other is not one
        )

    def _covering(self, path: str) -> list[Operation]:
        return [operation for place in (path, *parents(path)) for operation in self._by_path.get(place, ())]

    def _takes_from(self, operation: Operation, place: str) -> bool:
        return place == operation.takes or is_below(place, operation.takes)

    def _puts(self, operation: Operation, path: str, content: str | None) -> bool:
        """Whether it may have put this content there, or made a new version of it."""
        if operation.kind == "rename":
            return path == operation.target or is_below(path, operation.target)
        return operation.puts == path and operation.content in {content, ""}

    def _places_of(self, makers: Iterable[Operation]) -> set[str]:
        """Where a content may stand: where it was put, and wherever renames may have taken it from there."""
        found: set[str] = set()
        left = [maker.path for maker in makers]
        while left:
            path = left.pop()
            if path in found:
                continue
            found.add(path)
            for above in (path, *parents(path)):
                left += [rename.target + path[len(above) :] for rename in self._renames.get(above, ())]
        return found


def _overlap(one: Operation, other: Operation) -> bool:
    return one.began_s <= other.ended_s and other.began_s <= one.ended_s


def _is_known_everywhere(one: Operation, before: Operation) -> bool:
    """Whether all nodes knew of the first operation before the other began, or the node of the other did."""
    if one.outcome != DONE or one.ended_s > before.began_s:
        return False
    return one.copies == 3 or (one.node == before.node and not one.is_program and not before.is_program)


def _told(conflict: ListedConflict) -> str:
    return f"{conflict.content_id[:8]} of {conflict.node} as a loser at {conflict.path}"
