"""Scrubs: reads every file again, slowly, and takes what has rotted out of the tree until a peer gives it back.

A file is rotten when its stat is what the index knows and its content is not, twice in a row, or when the disk cannot
read it. That is never a new version. First the index knows that the content is not there, then the file moves to
ROOT/.tripod/quarantine; what the tree should show is then missing, and is fetched like anything that is missing. A
client that asks meanwhile waits for the fetch (read-through), or is told to come again: nobody gets rotten content.

A round that is overdue is read as fast as is allowed and with an ordinary priority: a busy disk must not put it off for
ever.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, TypeVarTuple

import msgspec

from cluster.clock import monotonic_s, now_ns
from cluster.durable_file import make_folders_durably
from cluster.health import ScrubHealth
from cluster.log import logger
from cluster.replication_settings import Replication
from cluster.tree_path import QUARANTINE, on_disk
from replicator.core.head import Kind, winner
from replicator.core.place import Found, Rotten, Row
from replicator.core.scrubbing import DAY_S, READ_BYTES, bytes_per_s, comes_after, is_overdue, rest_s
from replicator.disk.conflict_store import kept_name
from replicator.disk.rereading import ChangedError, Rereading, be_idle, be_last, is_small_sound
from replicator.disk.tree import UnstableError
from replicator.index.scrub_facts import Quarantined, ScrubFacts
from replicator.measures import Measures
from replicator.not_yet import NotYetError
from replicator.replica import Replica

_REST_S: Final = 60.0
_NOTED_AFTER_S: Final = 60.0
_SLICE: Final = 200
_SMALL_BYTES: Final = 256 << 10  # such a file is read at once, by one call of the pool
_WORTH_SLEEPING_S: Final = 0.25
_MAX_DOUBTS: Final = 1000
_TRIES: Final = 5
_Pace = Callable[[], float]  # bytes per second
_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")

log = logger(__name__)


class Scrub:
    """The scrubbing of one replica. Used by the control thread alone."""

    def __init__(self, replica: Replica, measures: Measures, replication: Replication) -> None:
        self._replica, self._measures, self._replication = replica, measures, replication
        self._folder = replica.tree.root / QUARANTINE
        self._pool = ThreadPoolExecutor(1, "scrub", initializer=be_idle)
        self._doubted: dict[str, None] = {}
        self._doubts = asyncio.Event()
        self._is_doubting = False  # what is doubted is read just now
        self._read_bytes = 0  # in this round
        self._debt_s = 0.0
        self._is_ordinary = False
        self.found = 0

    async def run(self) -> None:
        """One step: a round if one is due, else a rest, which a peer's doubt ends. OSError and WrongRootError pass."""
        if self._is_due(now_ns()):
            await self.round()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REST_S):
                await self._doubts.wait()
        await self._look_into_doubts()

    async def round(self, *, hurried: bool = False) -> None:
        """Read every file from where the last round stopped, at the pace that is set, or as fast as can be."""
        index = self._replica.index
        facts = index.scrub
        if not facts.began_ns:
            facts = msgspec.structs.replace(facts, cursor="", began_ns=now_ns())
            self._read_bytes = 0
        noted_s = monotonic_s()
        for count, path in enumerate(self._after(facts.cursor)):
            await self._look_into_doubts()
            await self._check(path, _unbounded if hurried else self._pace)
            if monotonic_s() - noted_s > _NOTED_AFTER_S:
                index.note_scrub(msgspec.structs.replace(facts, cursor=path))
                noted_s = monotonic_s()
            if count % _SLICE == 0:
                await asyncio.sleep(0)
        index.note_scrub(ScrubFacts(last_began_ns=facts.began_ns, ended_ns=now_ns()))

    def doubt(self, content_id: str) -> None:
        """A peer got something else when it fetched this from us: look at it before all others."""
        if len(self._doubted) < _MAX_DOUBTS:
            self._doubted[content_id] = None
            self._doubts.set()

    def tidy(self) -> None:
        """Drop what was quarantined once its path is whole again, replaced or deleted."""
        for one in list(self._replica.index.quarantine.values()):
            if not self._is_missed(one):
                (self._folder / one.kept).unlink(missing_ok=True)
                self._replica.index.release(one.path)
                log.info("what was rotten is whole again, or replaced", path=one.path)
        self._measures.quarantined.set(len(self._replica.index.quarantine))

    def health(self, now_ns: int) -> ScrubHealth:
        """How far it is."""
        index, facts = self._replica.index, self._replica.index.scrub
        total = index.usages.below("").bytes
        return ScrubHealth(
            percent=round(min(100.0, 100 * self._read_bytes / total), 1) if total and facts.began_ns else None,
            ended_s_ago=round((now_ns - facts.ended_ns) / 1e9, 1) if facts.ended_ns else None,
            found=self.found,
            quarantined=len(index.quarantine),
        )

    def notices(self) -> tuple[str, ...]:
        """Sentences for an operator."""
        notices: tuple[str, ...] = ()
        missed = [one for one in self._replica.index.quarantine.values() if self._is_missed(one)]
        if missed:
            first = missed[0]
            notices += (
                f"{len(missed)} files are rotten here and no peer has given them back yet, such as {first.path!r}; "
                f"the damaged bytes are kept as {QUARANTINE}/{first.kept}",
            )
        if self._is_late():
            days = self._replication.scrub_days
            notices += (f"not all files could be read again in {days} days (scrub_days); the disk has too little time",)
        return notices

    def close(self) -> None:
        """Wait for the read under way."""
        self._pool.shutdown()

    def _is_due(self, now_ns: int) -> bool:
        facts, days = self._replica.index.scrub, self._replication.scrub_days
        if not days or facts.began_ns:
            return days > 0
        return not facts.last_began_ns <= now_ns < facts.last_began_ns + days * int(DAY_S) * 10**9

    def _is_missed(self, one: Quarantined) -> bool:
        place = self._replica.index.place(one.path)
        shown = winner(place.heads)
        wanted = shown is not None and shown.content_id == one.content_id
        return wanted and (place.row is None or place.row.content_id != one.content_id)

    def _after(self, cursor: str) -> Iterator[str]:
        index = self._replica.index
        for path in index.below(""):
            if cursor and not comes_after(path, cursor):
                continue
            row = index.place(path).row
            if row is not None and row.kind is Kind.FILE:
                yield path

    def _pace(self) -> float:
        if self._is_ordinary:
            return self._most()
        all_files, replication = self._replica.index.usages.below(""), self._replication
        return bytes_per_s(all_files.bytes, all_files.entries, replication.scrub_days, replication.scrub_bytes_per_s)

    def _most(self) -> float:
        return self._replication.scrub_bytes_per_s

    def _is_late(self) -> bool:
        return is_overdue(self._replica.index.scrub.began_ns, now_ns(), self._replication.scrub_days)

    async def _keep_up(self) -> None:
        """Read like anybody while the round is overdue, else behind everybody's back."""
        if self._is_ordinary != self._is_late():
            self._is_ordinary = not self._is_ordinary
            await self._blocking(be_last if self._is_ordinary else be_idle)

    async def _look_into_doubts(self) -> None:
        self._doubts.clear()
        while self._doubted:
            content_id = next(iter(self._doubted))
            self._is_doubting = True
            try:
                for path in tuple(self._replica.index.by_content.get(content_id, ())):
                    await self._check(path, self._most)
            finally:
                self._is_doubting = False
            self._doubted.pop(content_id, None)  # another round may have looked into it meanwhile

    async def _check(self, path: str, pace: _Pace) -> None:
        """Read one file, and quarantine what is rotten.

        Our own hand may change its stat meanwhile, of which the index knows when it lets go of the path: then it is
        read again. What another program does to it, the watcher sees.
        """
        row = self._known(path)
        for _ in range(_TRIES):
            if row is None:
                return
            try:
                await self._judge(path, row, pace)
            except (ChangedError, UnstableError):
                async with self._replica.locks.of(path):
                    before, row = row, self._known(path)
                if row != before:
                    continue
            except (OSError, NotYetError) as error:
                log.warning("cannot be scrubbed", path=path, why=str(error))
            return

    def _known(self, path: str) -> Row | None:
        """What stands there as the index knows it, if it is a file that a peer would give back."""
        row = self._replica.index.place(path).row
        if row is None or row.kind is not Kind.FILE or not row.content_id or self._replica.index.excludes(path):
            return None  # what is excluded would not be fetched again
        return row

    async def _judge(self, path: str, row: Row, pace: _Pace) -> None:
        """Read it, a second time if the first disagrees; ChangedError or UnstableError when it is not this row's."""
        self._replica.marker.check()
        if await self._is_sound(path, row, pace):
            return
        if await self._is_sound(path, row, pace):
            log.warning("read wrong once, and right the second time: memory or disk are doubtful", path=path)
            return
        await self._quarantine(path, row)

    async def _is_sound(self, path: str, row: Row, pace: _Pace) -> bool:
        await self._keep_up()
        tree = self._replica.tree
        if row.size_bytes < _SMALL_BYTES:
            began_s = monotonic_s()
            is_sound = await self._blocking(is_small_sound, tree, on_disk(tree.root, path), row)
            await self._rest(row.size_bytes, max(row.size_bytes, READ_BYTES) + READ_BYTES, began_s, pace)
            return is_sound
        reading = await self._blocking(Rereading, tree, on_disk(tree.root, path), row)
        try:
            while True:
                await self._keep_up()
                began_s = monotonic_s()
                count = await self._blocking(reading.read)
                await self._rest(count, max(count, READ_BYTES), began_s, pace)
                if not count:
                    return await self._blocking(reading.is_sound)
        finally:
            await self._blocking(reading.close)

    async def _rest(self, read_bytes: int, cost_bytes: int, began_s: float, pace: _Pace) -> None:
        """Count what was read, and rest once that is worth a sleep."""
        self._read_bytes += read_bytes
        self._measures.scrubbed_bytes.inc(read_bytes)
        self._debt_s += rest_s(cost_bytes, monotonic_s() - began_s, pace())
        if self._debt_s > _WORTH_SLEEPING_S:
            rest, self._debt_s = self._debt_s, 0.0
            await self._sleep(rest)

    async def _sleep(self, rest_s: float) -> None:
        """Sleep; what a peer comes to doubt meanwhile does not wait for it, for it can be long within a large file."""
        end_s = monotonic_s() + rest_s
        while (left_s := end_s - monotonic_s()) > 0:
            if self._is_doubting:
                await asyncio.sleep(left_s)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._doubts.wait()
            await self._look_into_doubts()

    async def _quarantine(self, path: str, row: Row) -> None:
        """The index first: whatever happens then, what stands there is not taken for a version."""
        replica, index = self._replica, self._replica.index
        async with replica.locks.of(path):
            replica.marker.check()
            if index.place(path).row != row or not await replica.is_as_recorded(path):
                raise ChangedError(path)
            kept = f"{row.inode}-{kept_name(path, row.content_id)}"
            index.feed(path, Rotten())
            index.quarantine_one(Quarantined(path=path, content_id=row.content_id, kept=kept, at_ns=now_ns()))
            await index.durable()
            await replica.blocking(make_folders_durably, self._folder)
            await replica.blocking(replica.tree.set_aside, path, self._folder / kept, row)
            replica.staging.drop_same(row.content_id, row.inode)
            index.feed(path, Found(row=None, now_ns=now_ns()))
        self.found += 1
        self._measures.rotten.inc()
        log.warning("rotten: taken out of the tree, and fetched from a peer", path=path, content_id=row.content_id)
        replica.wake(path)

    async def _blocking(self, work: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


def _unbounded() -> float:
    return float("inf")
