"""Remembers what this replica knows: its places, clock, peers, intents and conflicts, in memory and in SQLite.

Memory is ahead of the disk by what the writer thread has not committed yet. `durable()` waits for it; nothing is
promised, announced or acknowledged before that.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from cluster.clock import monotonic_s
from cluster.explained import Moment
from cluster.recent import LastHour
from cluster.tree_path import parent
from replicator.core.head import Kind, losers, winner
from replicator.core.hybrid_clock import Clock, corrected, drift_ns
from replicator.core.kept_versions import Version
from replicator.core.place import Input, Place, Rest, Restamped, plan, step, without_version
from replicator.core.runs import Leaps, begun, was_given
from replicator.index.change_log import ChangeLog
from replicator.index.held_delete import HeldDelete
from replicator.index.intent import Intent
from replicator.index.journal import Journal, read_journal
from replicator.index.namesakes import Namesakes
from replicator.index.places import UNKNOWN, PathsOf, Places
from replicator.index.scrub_facts import Quarantined, ScrubFacts
from replicator.index.usage import Usages
from replicator.index.writer import Change, IndexWriter

_Value = TypeVar("_Value")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a replica knows of itself.

    `imported` says that what lay in the root at its birth was taken in; `joined`, that it has once reconciled
    with its peers, at `joined_ns`; `marked`, that the root carries its marker; `leaps`, where its runs began;
    `selection` is a mark of the patterns by which paths are replicated.
    """

    incarnation: str
    marked: bool = False
    imported: bool = False
    joined: bool = False
    joined_ns: int = 0
    clean_stop: bool = False
    selection: str = ""
    leaps: Leaps = ()


class PeerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a replica knows of a peer.

    `seen`: the last sequence of the peer's `incarnation` whose heads are in our index; `held`: the last up to which
    their content is here too. `acked`: our own sequence up to which the peer holds everything. `silent_s`: for how long
    this node has run since without reaching it. `expelled_ns`: when a tombstone was forgotten that it did not have.
    `heard`, of a member that is no peer of ours: our sequence up to which it is known to have heard of everything.
    """

    incarnation: str = ""
    seen: int = 0
    held: int = 0
    acked: int = 0
    silent_s: float = 0.0
    expelled_ns: int = 0
    heard: int = 0


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """Content that lost on a path; `kept` is its file in the conflict store, empty when another node has it.

    An operator may have `discarded` it: then it is listed and kept no more, as long as it is this same version.
    """

    path: str
    content_id: str
    node: str
    stamp_ns: int
    size_bytes: int
    kept: str = ""
    discarded: bool = False

    def is_same_version(self, other: "Conflict") -> bool:
        """Whether both are of one change."""
        return (self.stamp_ns, self.node) == (other.stamp_ns, other.node)


class Index:
    """Everything a replica remembers. Used by the control thread alone."""

    def __init__(self, writer: IndexWriter, node: str, new_incarnation: str) -> None:
        facts = {str(key): blob for (key,), blob in writer.rows("facts")}
        self.is_new = "facts" not in facts
        self.facts = _read(facts, "facts", Facts) or Facts(incarnation=new_incarnation)
        self.node = node
        self.clock = _read(facts, "clock", Clock) or Clock(f"{node}:{self.facts.incarnation}")
        self.peers = {str(peer): msgspec.msgpack.decode(blob, type=PeerFacts) for (peer,), blob in writer.rows("peers")}
        intents = writer.rows("intents")
        self.intents = {int(number): msgspec.msgpack.decode(blob, type=Intent) for (number,), blob in intents}
        decoded = [msgspec.msgpack.decode(blob, type=Conflict) for _, blob in writer.rows("conflicts")]
        self.conflicts = {(conflict.path, conflict.content_id): conflict for conflict in decoded}
        rotten = [msgspec.msgpack.decode(blob, type=Quarantined) for _, blob in writer.rows("quarantine")]
        self.quarantine = {one.path: one for one in rotten}
        self.scrub = _read(facts, "scrub", ScrubFacts) or ScrubFacts()
        held = [msgspec.msgpack.decode(blob, type=HeldDelete) for _, blob in writer.rows("held_deletes")]
        versions = [msgspec.msgpack.decode(blob, type=Version) for _, blob in writer.rows("versions")]
        versions.sort(key=lambda version: version.gone_ns)
        self.versions = {(version.path, version.content_id): version for version in versions}  # the oldest first
        self.held = {delete.path: delete for delete in held}
        self.excludes: Callable[[str], bool] = lambda _path: False  # whether a path is not replicated
        self.read_only = False  # then nothing that is found on the disk becomes a version
        self._numbers = max(self.intents, default=0)
        self.places = Places(self.clock.replica)
        self.live_files = self.heads = 0
        self.folders: set[str] = set()
        self.usages = Usages()
        self.namesakes = Namesakes()
        self.children: dict[str, set[str]] = {}
        self.by_content = PathsOf()
        self.pending: set[str] = set()
        self.contested: set[str] = set()  # where something has lost
        self._tombstones: dict[str, None] = {}
        self._log = ChangeLog(self._load(writer.rows("places")), self._is_newest)
        self._tombstones = {path: None for _, path in self._log.after(0) if path in self._tombstones}
        self._writer = writer
        self._journal: Journal | None = None
        writer.start(self.clock.sequence)
        if self.is_new:
            self.note(self.facts)

    @property
    def incarnation(self) -> str:
        """The random identity of this index."""
        return self.facts.incarnation

    @property
    def durable_sequence(self) -> int:
        """The last of our sequences that is safe on the disk; peers may hear no later one."""
        return self._writer.durable_sequence

    def keep_history(self, entries: int) -> None:
        """Count what is done, and note in the journal what happens to every path, at most so many moments in all."""
        self._journal = Journal(self._writer, entries)

    def last_hour(self) -> LastHour:
        """What was done since an hour; nothing without `keep_history`."""
        return self._journal.activity.last_hour(monotonic_s()) if self._journal else LastHour()

    def history(self, path: str) -> tuple[Moment, ...]:
        """The last moments of a path, as far as they are committed. Blocks; for any thread; sqlite3.Error passes."""
        return read_journal(self._writer.file, path)

    def place(self, path: str) -> Place:
        """What is known of `path`; an empty place when nothing is."""
        return self.places.of(path)

    def is_live(self, path: str) -> bool:
        """Whether the path has an entry in the replicated tree, wherever its content is; the root always has."""
        shown = winner(self.place(path).heads)
        return path == "" or (shown is not None and shown.is_live)

    def live_children(self, path: str) -> list[str]:
        """The paths of the entries of a directory."""
        return [child for child in self.children.get(path, ()) if self.is_live(child)]

    def below(self, path: str) -> Iterator[str]:
        """Every known path below `path`, folders before what is in them."""
        for child in sorted(self.children.get(path, ())):
            yield child
            yield from self.below(child)

    def feed(self, path: str, event: Input) -> Place:
        """Step the place at `path`; the new place, remembered."""
        before = self.place(path)
        place, clock = step(before, self.clock, without_version(event) if self.read_only else event)
        self._note_clock(clock)
        if place == before:
            return before
        self._relink(path, before, place)
        blob = self.places.put(path, place)
        self._writer.write(Change("places", (path,), blob, self.clock.sequence))
        if self._journal is not None:
            self._journal.note(path, event, before, place, self.clock.sequence)
        if (held := self.held.get(path)) and not held.peer and not held.is_folder:
            self.let_go(path)  # something else has come of it meanwhile
        if place.announced != before.announced:
            self._log.add(place.announced, path, len(self.places))
        is_done = isinstance(plan(place), Rest) or self.excludes(path)
        (self.pending.discard if is_done else self.pending.add)(path)
        return place

    def announcements(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Up to `limit` pairs (sequence, path) after a sequence, in order: durable ones, each path at its newest."""
        return self._log.newest(after, self.durable_sequence, limit)

    def correct_clock(self, now_ns: int) -> None:
        """Give heads from the future a stamp of now, if our clock has run far ahead and is right again."""
        if not drift_ns(self.clock.stamp_ns, now_ns):
            return
        for path in list(self.places):
            self.feed(path, Restamped(now_ns=now_ns))
        self._note_clock(corrected(self.clock, now_ns))

    def begin_run(self, leap: int) -> None:
        """Leap over so many sequences: whoever has seen one of them has seen a run that this index does not know of."""
        clock, leaps = begun(self.clock, self.facts.leaps, leap)
        self._note_clock(clock)
        self.note(msgspec.structs.replace(self.facts, leaps=leaps))

    def gave(self, sequence: int) -> bool:
        """Whether this index can have given that sequence."""
        return was_given(sequence, self.clock, self.facts.leaps)

    def note(self, facts: Facts) -> None:
        """Remember new facts of our own."""
        self.facts = facts
        self._write("facts", ("facts",), facts)

    def note_peer(self, peer: str, facts: PeerFacts) -> None:
        """Remember what is known of a peer."""
        if self.peers.get(peer) != facts:
            self.peers[peer] = facts
            self._write("peers", (peer,), facts)

    def note_canary(self, peer: str, content_id: str) -> None:
        """Remember that this canary of a peer has arrived: a file's arrival is a row of the index too."""
        self._writer.write(Change("facts", (f"canary of {peer}",), content_id.encode(), self.clock.sequence))

    def intend(self, intent: Intent) -> int:
        """Remember an intent; its number. It must be durable before the disk changes."""
        self._numbers += 1
        self.intents[self._numbers] = intent
        self._write("intents", (self._numbers,), intent)
        return self._numbers

    def forget(self, number: int) -> None:
        """The intent was carried out, or given up."""
        del self.intents[number]
        self._write("intents", (number,), None)

    def note_conflict(self, conflict: Conflict) -> None:
        """List content that lost; never forget where it is kept, nor that this version was discarded."""
        key = (conflict.path, conflict.content_id)
        known = self.conflicts.get(key)
        if known is not None and known.discarded:
            known = known if conflict.is_same_version(known) else None
        if known is None or conflict.discarded or (conflict.kept and not known.kept and not known.discarded):
            self.conflicts[key] = conflict
            self._write("conflicts", key, conflict)

    def open_conflicts(self) -> list[Conflict]:
        """The conflicts that an operator has not discarded."""
        return [conflict for conflict in self.conflicts.values() if not conflict.discarded]

    def drop_conflict(self, conflict: Conflict) -> None:
        """List it no more."""
        del self.conflicts[conflict.path, conflict.content_id]
        self._write("conflicts", (conflict.path, conflict.content_id), None)

    def note_version(self, version: Version) -> None:
        """List content that is replaced or deleted, and kept for a while; it is the newest."""
        self.versions[version.path, version.content_id] = version
        self._write("versions", (version.path, version.content_id), version)

    def drop_version(self, version: Version) -> None:
        """List it no more."""
        del self.versions[version.path, version.content_id]
        self._write("versions", (version.path, version.content_id), None)

    def note_scrub(self, facts: ScrubFacts) -> None:
        """Remember how far the scrubbing is."""
        self.scrub = facts
        self._write("facts", ("scrub",), facts)

    def quarantine_one(self, one: Quarantined) -> None:
        """Remember a file that is rotten."""
        self.quarantine[one.path] = one
        self._write("quarantine", (one.path,), one)

    def release(self, path: str) -> None:
        """It is not missed any more."""
        del self.quarantine[path]
        self._write("quarantine", (path,), None)

    def hold(self, delete: HeldDelete) -> None:
        """Remember a deletion that is held back."""
        self.held[delete.path] = delete
        self._write("held_deletes", (delete.path,), delete)

    def let_go(self, path: str) -> None:
        """The deletion is held back no more."""
        del self.held[path]
        self._write("held_deletes", (path,), None)

    def forget_tombstones(self, acked: int, before_ns: int, limit: int = 1000) -> int:
        """Drop up to `limit` tombstones announced up to `acked`, stamped before `before_ns`; the sequence of the last.

        They are kept in the order in which they were announced, so this ends at the first that must stay.
        """
        last = 0
        for path in list(itertools.islice(self._tombstones, limit)):
            place = self.place(path)
            if place.announced > acked or not all(head.stamp_ns < before_ns for head in place.heads):
                break
            if all(head.stamp_ns > 0 for head in place.heads):
                del self._tombstones[path]
                self.places.drop(path)
                self.heads -= len(place.heads)
                self.children[parent(path)].discard(path)
                self._write("places", (path,), None)
                last = place.announced
        return last

    async def durable(self) -> None:
        """Wait until everything said so far is safe on the disk; sqlite3.Error when the disk refused."""
        await self._writer.durable()

    def close(self) -> None:
        """Commit what is left and close."""
        self._writer.close()

    def _write(self, table: str, key: tuple[str | int, ...], value: msgspec.Struct | None) -> None:
        blob = None if value is None else msgspec.msgpack.encode(value)
        self._writer.write(Change(table, key, blob, self.clock.sequence))

    def _note_clock(self, clock: Clock) -> None:
        if clock != self.clock:
            self.clock = clock
            self._write("facts", ("clock",), clock)

    def _relink(self, path: str, before: Place, place: Place) -> None:
        """Have all that is looked up by something else than the path follow a place."""
        if place.heads != before.heads:
            self.usages.take(path, before)
            self.usages.add(path, place)
            self.live_files += _is_live_file(place) - _is_live_file(before)
            self.namesakes.follow(path, was_live=_is_live(before), is_live=_is_live(place))
            self.heads += len(place.heads) - len(before.heads)
            (self.contested.add if losers(place.heads) else self.contested.discard)(path)
        if path not in self.places:
            self.children.setdefault(parent(path), set()).add(path)
        self._tombstones.pop(path, None)
        row, old = place.row, before.row
        if row is None and place.heads and not _is_live(place):
            self._tombstones[path] = None
        if (row is None or old is None) or (row.kind, row.content_id) != (old.kind, old.content_id):
            (self.folders.add if _is_folder(place) else self.folders.discard)(path)
            if old is not None and old.content_id:
                self.by_content.discard(old.content_id, path)
            if row is not None and row.content_id:
                self.by_content.add(row.content_id, path)

    def _load(self, rows: Iterable[tuple[tuple[str | int, ...], bytes]]) -> Iterator[tuple[int, str]]:
        """Take up the places of an earlier run; the path and the sequence of each."""
        for (key,), blob in rows:
            path = str(key)
            self.children.setdefault(parent(path), set()).add(path)
            place = self.places.load(path, blob)
            self._relink(path, UNKNOWN, place)
            if not isinstance(plan(place), Rest):
                self.pending.add(path)
            yield place.announced, path

    def _is_newest(self, sequence: int, path: str) -> bool:
        return self.place(path).announced == sequence


def _is_folder(place: Place) -> bool:
    return place.row is not None and place.row.kind is Kind.DIRECTORY


def _is_live(place: Place) -> bool:
    return any(head.is_live for head in place.heads)


def _is_live_file(place: Place) -> bool:
    shown = winner(place.heads)
    return shown is not None and shown.kind is Kind.FILE


def _read(facts: dict[str, bytes], key: str, kind: type[_Value]) -> _Value | None:
    return msgspec.msgpack.decode(facts[key], type=kind) if key in facts else None
