"""Gets content from the peers: from any that has it, on from where the last was cut, and by what is here already."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from cluster.clock import now_s
from cluster.content_id import content_id_of
from cluster.log import logger
from cluster.replication_settings import Replication
from cluster.tree_path import on_disk
from replicator.core.head import Kind
from replicator.core.link_rate import link_of, rate_at
from replicator.core.recipe import Block, Run, missing_bytes, recipe
from replicator.disk.copying import write_file
from replicator.disk.lanes import each
from replicator.disk.path_locks import PathLocks
from replicator.disk.staging import Held
from replicator.not_yet import NobodyHasItError, NotYetError
from replicator.peers.connection import LOST, PeerError
from replicator.peers.link import PeerLink
from replicator.peers.wire import CHUNK_BYTES, Doubt
from replicator.replica import Replica
from replicator.transfers.outlines import Outlines
from replicator.transfers.part import Assembly, Part
from replicator.transfers.pulling import NotHereError, ask_blocks, pull
from replicator.transfers.space import require_space

_WORTH_IT: Final = 0.9
"""With more of the content missing than this share, all of it is fetched."""

_MAX_SIMILAR: Final = 3


def _write(piece: tuple[Path, bytes]) -> None:
    file, data = piece
    write_file(file, data)


_WRITE: Final = each(_write)

log = logger(__name__)


class OtherContentError(PeerError):
    """What came is not what the content id says."""

    def __init__(self) -> None:
        super().__init__("what came is not what its id says")


class Similar(msgspec.Struct, frozen=True):
    """A file on this node that may have much in common with what is wanted."""

    file: Path
    content_id: str


class Fetching:
    """Gets content into staging. Used by the control thread alone."""

    def __init__(
        self, links: Sequence[PeerLink], replica: Replica, outlines: Outlines, replication: Replication
    ) -> None:
        self._links = tuple(links)
        self._replica = replica
        self._outlines = outlines
        self._replication = replication
        self._contents = PathLocks()  # or two would grow one part

    async def fetch(self, path: str, content_id: str, size_bytes: int) -> Held:
        """Content for `path` from any connected peer that has it; NotYetError when none gives it now.

        It is a NobodyHasItError when each peer was asked and has not.
        A mismatch in the end starts it anew from another peer; when several had a part in it, from the last one too.
        """
        async with self._contents.of(content_id):
            held = self._replica.staging.take(content_id)
            if held is not None:
                return held
            require_space(self._replica.staging, size_bytes, self._replication.disk_reserve_bytes)
            reasons = []
            waiting = deque(sorted(self._open(), key=lambda link: not link.connected))
            givers: set[str] = set()  # of what is here of it
            lacking: set[str] = set()
            while waiting:
                link = waiting.popleft()
                try:
                    return await self._fetch_from(link, path, content_id, size_bytes, givers)
                except OtherContentError as error:
                    log.warning("other content came than was asked for", peers=sorted(givers), content_id=content_id)
                    reasons.append(f"{link.name}: {error}")
                    await self._doubt(givers, content_id)
                    if len(givers) > 1:
                        waiting.append(link)
                    givers.clear()
                except LOST as error:
                    reasons.append(f"{link.name}: {str(error) or type(error).__name__}")
                    if isinstance(error, NotHereError):
                        lacking.add(link.name)
            if lacking == {link.name for link in self._links}:
                raise NobodyHasItError(f"no peer has {content_id[:12]}; put the file back, or delete the path")
            raise NotYetError(f"no peer gives {content_id[:12]} ({'; '.join(reasons) or 'no peer may send now'})")

    async def build(self, peer: str, path: str, content_id: str, size_bytes: int, on_step: Callable[[], None]) -> Held:
        """Content for `path` that `peer` has, by what is similar here; NotYetError when that cannot be.

        `on_step` is called as the work gets on.
        """
        link = next((link for link in self._links if link.name == peer and link.connected), None)
        similar = self._similar(path, size_bytes)
        if link is None or not similar:
            raise NotYetError("there is nothing similar here" if link else f"{peer} is not connected")
        try:
            return await self._build(link, similar, content_id, size_bytes, on_step)
        except LOST as error:
            raise NotYetError(str(error) or type(error).__name__) from error

    async def _doubt(self, givers: set[str], content_id: str) -> None:
        """Have those who gave it look whether their disks have damaged it."""
        for link in self._links:
            if link.name in givers:
                with contextlib.suppress(*LOST):
                    await link.tell(Doubt(content_id=content_id))

    def _similar(self, path: str, size_bytes: int) -> tuple[Similar, ...]:
        """What may be similar to the content of a large file: what stands, stood or lost under its path."""
        above_bytes, replica = self._replication.delta_above_bytes, self._replica
        if size_bytes <= above_bytes:
            return ()
        row = replica.index.place(path).row
        found = {}
        if row is not None and row.kind is Kind.FILE and row.size_bytes > above_bytes:
            found[row.content_id] = on_disk(replica.tree.root, path)
        for lost in replica.index.conflicts.values():
            if lost.path == path and lost.kept and lost.size_bytes > above_bytes:
                found.setdefault(lost.content_id, replica.tree.conflicts / lost.kept)
        for version in replica.versions.of(path):
            file = replica.versions.file(version.content_id)
            if file is not None and version.size_bytes > above_bytes:
                found.setdefault(version.content_id, file)
        return tuple(Similar(file, content_id) for content_id, file in list(found.items())[:_MAX_SIMILAR])

    def _open(self) -> Iterator[PeerLink]:
        """The links over which content may come at this hour."""
        for link in self._links:
            way = link_of(self._replication.links, link.name, link.site.node)
            if rate_at(way, now_s()) != 0:
                yield link

    async def _fetch_from(self, link: PeerLink, path: str, content_id: str, size_bytes: int, givers: set[str]) -> Held:
        file = self._replica.staging.part_file(content_id) if size_bytes > CHUNK_BYTES else None
        similar = self._similar(path, size_bytes)
        if similar and not (file and file.is_file()):
            try:
                return await self._build(link, similar, content_id, size_bytes, _nothing)
            except PeerError as error:  # what is here may have changed meanwhile, or the peer cannot tell
                log.info("fetched as a whole", path=path, peer=link.name, why=str(error))
        givers.add(link.name)
        if file is None:
            return await self._fetch_small(link, content_id, size_bytes)
        part = await self._replica.blocking(Part, file)
        try:
            done_bytes = part.content.size_bytes
            if done_bytes < size_bytes:
                await self._pull(link, content_id, [Run(done_bytes, size_bytes - done_bytes)], part)
            found = await self._replica.blocking(part.end)
        finally:
            part.close()
        if found != content_id:
            file.unlink(missing_ok=True)
            raise OtherContentError
        staged = self._replica.staging.new_file(content_id)
        file.rename(staged)
        return Held(content_id, staged)

    async def _fetch_small(self, link: PeerLink, content_id: str, size_bytes: int) -> Held:
        """Content that comes at once needs no part: it is written in one step."""
        data = bytearray()

        async def take(_offset: int, more: bytes) -> None:
            data.extend(more)

        timeout_s = self._replication.prepare_timeout_s
        await pull(link, content_id, [Run(0, size_bytes)], take, timeout_s)
        if content_id_of(bytes(data)) != content_id:
            raise OtherContentError
        staged = self._replica.staging.new_file(content_id)
        try:
            await self._replica.lanes.run(_WRITE, (staged, bytes(data)))
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        return Held(content_id, staged)

    async def _build(
        self,
        link: PeerLink,
        similar: Sequence[Similar],
        content_id: str,
        size_bytes: int,
        on_step: Callable[[], None],
    ) -> Held:
        wanted, here = await self._compare(link, similar, content_id, size_bytes, on_step)
        runs = recipe(wanted, here)
        missing = [run for run in runs if run.source is None]
        if missing_bytes(runs) > _WORTH_IT * size_bytes:
            raise PeerError("it has little in common with what is here")
        require_space(self._replica.staging, size_bytes, self._replication.disk_reserve_bytes)
        blocking, staged = self._replica.blocking, self._replica.staging.new_file(content_id)
        try:
            assembly = await blocking(Assembly, staged, size_bytes, [each.file for each in similar], self._replica.tree)
            try:
                for run in runs:
                    done_bytes = run.size_bytes if run.source is None else 0
                    while done_bytes < run.size_bytes:
                        done_bytes = await blocking(assembly.copy, run, done_bytes)
                        on_step()
                await self._pull(link, content_id, missing, assembly)
                on_step()
                if await blocking(assembly.end) != content_id:
                    raise OtherContentError
            finally:
                assembly.close()
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        self._outlines.remember(content_id, size_bytes, wanted)
        sent_bytes = missing_bytes(runs)
        log.info("built", content_id=content_id, peer=link.name, size_bytes=size_bytes, sent_bytes=sent_bytes)
        return Held(content_id, staged)

    async def _compare(
        self,
        link: PeerLink,
        similar: Sequence[Similar],
        content_id: str,
        size_bytes: int,
        on_step: Callable[[], None],
    ) -> tuple[tuple[Block, ...], list[list[Block]]]:
        """The blocks that are wanted, and those of each similar file: both ends read at once."""

        async def read(each: Similar) -> list[Block]:
            found: list[Block] = []
            async with contextlib.aclosing(self._outlines.read(each.file, each.content_id, size_bytes)) as reading:
                async for blocks in reading:
                    found += blocks
                    on_step()
            return found

        timeout_s = self._replication.prepare_timeout_s
        asking = asyncio.ensure_future(ask_blocks(link, content_id, size_bytes, timeout_s))
        asking.add_done_callback(_looked_at)
        try:
            here = [await read(each) for each in similar]
            return await asking, here
        finally:
            asking.cancel()

    async def _pull(self, link: PeerLink, content_id: str, runs: Sequence[Run], into: Part | Assembly) -> None:
        async def take(offset: int, data: bytes) -> None:
            await self._replica.blocking(into.take, offset, data)

        await pull(link, content_id, runs, take, self._replication.prepare_timeout_s)


def _looked_at(asking: "asyncio.Future[tuple[Block, ...]]") -> None:
    """Its trouble was told, or came when the reading here had failed already."""
    if not asking.cancelled():
        asking.exception()


def _nothing() -> None:
    """Nobody waits for steps."""
