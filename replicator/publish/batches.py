"""Publishes many small new files at once: one question for each peer, one commit of the intents, one for the index.

What gathers while others are prepared and change the disk is done together; nothing waits for more. Only what is
plain: a path where nothing stands, in a folder that does. What is not, or finds too few peers, is left to the way of
single files. The order is that of every change: the peers prepare; intents durable; the disk changes; the index
durable; the peers commit.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from cluster.clock import monotonic_s, now_ns
from cluster.log import logger
from cluster.publish import Publish
from replicator.core.copies import copies_wanted
from replicator.core.head import Heads, Kind, seen_by
from replicator.core.place import Row, Written
from replicator.disk.marker import WrongRootError
from replicator.disk.tree import Installation
from replicator.index.intent import Intent
from replicator.measures import Measures
from replicator.peers.mesh import Mesh, PreparedCopies
from replicator.peers.wire import SmallFile
from replicator.publish.quotas import Claim
from replicator.publish.showing import Showings
from replicator.replica import Replica
from replicator.transfers.installing import has_folder
from replicator.transfers.preparing import Offer

_MOST: Final = 64
_MOST_BYTES: Final = 2 << 20

log = logger(__name__)


class Upload(msgspec.Struct, frozen=True, eq=False):
    """One upload to a path of which the client saw these `heads`, and whose answer somebody waits for.

    The answer is the number of its copies; None: nothing was changed, and it is to be published alone.
    """

    request: Publish
    offer: Offer
    claim: Claim
    heads: Heads
    answer: "asyncio.Future[int | None]"

    def tell(self, copies: int | None) -> None:
        """The answer, unless it has one, or nobody waits for it any more."""
        if not self.answer.done():
            self.answer.set_result(copies)

    def refuse(self, error: Exception) -> None:
        """It failed after the disk had changed."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Batches:
    """Used by the control thread alone."""

    def __init__(
        self, replica: Replica, mesh: Mesh, showings: Showings, nodes: int, measures: Measures, most_bytes: int
    ) -> None:
        """Of a cluster of so many `nodes`; files up to `most_bytes` are small."""
        self._showings = showings
        self._replica, self._mesh, self._nodes, self._measures = replica, mesh, nodes, measures
        self._small_bytes = most_bytes
        self._waiting: list[Upload] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._changing: asyncio.Task[None] | None = None
        self._is_called = False

    async def publish(self, request: Publish, offer: Offer, claim: Claim, heads: Heads) -> int | None:
        """Publish it with others, if it is plain; on how many nodes it is. None: nothing was changed.

        `heads` are what the client saw. sqlite3.Error when the index could not be written after the disk had changed.
        """
        if offer.outflows or request.size_bytes > self._small_bytes or not self._is_plain(request.path, heads):
            return None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[int | None] = loop.create_future()
        self._waiting.append(Upload(request, offer, claim, heads, answer))
        if not self._is_called:
            self._is_called = True
            loop.call_soon(self._hand_out)
        return await answer

    def _is_plain(self, path: str, heads: Heads) -> bool:
        """Whether nothing stands at the path, nor is to, and what the client saw there is all that is known."""
        index = self._replica.index
        place = index.place(path)
        is_new = place.row is None and place.heads == heads and not any(head.is_live for head in heads)
        return is_new and path not in self._replica.doubtful and has_folder(index, path)

    def _hand_out(self) -> None:
        """Begin the next batch, unless one is on its way to this disk."""
        self._is_called = False
        self._waiting = [upload for upload in self._waiting if not upload.answer.done()]
        if self._waiting and self._changing is None:
            uploads = _first_batch(self._waiting)
            self._waiting = [upload for upload in self._waiting if upload not in uploads]
            self._changing = asyncio.get_running_loop().create_task(self._publish(uploads))
            self._under_way.add(self._changing)
            self._changing.add_done_callback(self._ended)

    def _let_next(self) -> None:
        self._changing = None
        self._hand_out()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if task.cancelled():
            return
        if task.exception() is not None:
            log.error("a batch failed", exc_info=task.exception())
        if self._changing is task:
            self._let_next()

    async def _publish(self, uploads: Sequence[Upload]) -> None:
        """Whatever goes wrong before anything is changed leaves each to be published, or refused, alone."""
        try:
            copies = await self._prepare(uploads)
            if copies is None:
                return
            published = await self._change(uploads)
            self._let_next()  # while the peers show these
            if published:
                await self._commit(published, copies)
        except (OSError, sqlite3.Error, WrongRootError) as error:
            log.info("uploads are published one by one", files=len(uploads), why=str(error))
        finally:
            for upload in uploads:
                upload.tell(None)

    async def _prepare(self, uploads: Sequence[Upload]) -> PreparedCopies | None:
        """Have the peers hold them; None when those that do are too few."""
        wanted = copies_wanted(uploads[0].request.policy.nodes, self._nodes)
        links = self._mesh.in_sync() if wanted > 1 else ()
        if 1 + len(links) < wanted:
            return None
        if not links:
            return PreparedCopies((), monotonic_s())
        files = [
            SmallFile(each.request.path, each.request.content_id, each.offer.file.read_bytes(), each.request.mtime_ns)
            for each in uploads
        ]
        started_s = monotonic_s()
        copies = await self._mesh.prepare_small(files, links, wanted - 1)
        self._measures.prepare_seconds.observe(monotonic_s() - started_s)
        return copies if 1 + len(copies.links) >= wanted else None

    async def _change(self, uploads: Sequence[Upload]) -> list[Upload]:
        """Give them their names, durably; those that have them, in the index too, though not durably yet."""
        replica, index = self._replica, self._replica.index
        async with replica.locks.of(*(upload.request.path for upload in uploads)):
            replica.marker.check()
            plain = [
                each for each in uploads if not each.answer.done() and self._is_plain(each.request.path, each.heads)
            ]
            intents = [
                index.intend(
                    Intent(
                        path=each.request.path,
                        content_id=each.request.content_id,
                        now_ns=now_ns(),
                        account=each.request.account,
                        saw=seen_by(each.heads),
                    )
                )
                for each in plain
            ]
            try:
                await index.durable()
                pieces = [_installation(upload) for upload in plain]
                rows = await replica.lanes.run_all(replica.tree.install_all, pieces)
                installed = []
                for upload, row in zip(plain, rows, strict=True):
                    if not isinstance(row, Exception):
                        self._feed(upload, row)
                        installed.append(upload)
            finally:
                for number in intents:
                    index.forget(number)
        return installed

    def _feed(self, upload: Upload, row: Row) -> None:
        request = upload.request
        event = Written(row=row, now_ns=now_ns(), saw=seen_by(upload.heads), account=request.account)
        self._replica.index.feed(request.path, event)
        upload.claim.settle()

    async def _commit(self, published: Sequence[Upload], copies: PreparedCopies) -> None:
        """Have the peers show what is durable here, and answer; who does not show it all is asked for each."""
        paths = [upload.request.path for upload in published]
        with contextlib.ExitStack() as under_way:
            together, *each = [
                under_way.enter_context(self._showings.of(some)) for some in (paths, *([path] for path in paths))
            ]
            try:
                shown = await together.by_peers(copies)
                counts = [shown] * len(published)
                if shown < len(copies.links):
                    counts = await asyncio.gather(*(one.by_peers(copies) for one in each))
            except sqlite3.Error as error:
                for upload in published:
                    upload.refuse(error)
                return
        for upload, count in zip(published, counts, strict=True):
            upload.tell(1 + count)


def _first_batch(waiting: Sequence[Upload]) -> list[Upload]:
    """The first, and others of its policy and to other paths, as many as may go together."""
    some: dict[str, Upload] = {}
    size_bytes = 0
    for upload in waiting:
        request = upload.request
        if request.policy != waiting[0].request.policy or request.path in some:
            continue
        size_bytes += request.size_bytes
        if some and (size_bytes > _MOST_BYTES or len(some) == _MOST):
            break
        some[request.path] = upload
    return list(some.values())


def _installation(upload: Upload) -> Installation:
    request = upload.request
    return Installation(upload.offer.file, request.path, uploaded_row(request), known=None, is_synced=True)


def uploaded_row(request: Publish) -> Row:
    """What stands on the disk that shows this upload; not which file it is."""
    return Row(kind=Kind.FILE, content_id=request.content_id, size_bytes=request.size_bytes, mtime_ns=request.mtime_ns)
