"""Answers the ftpnode of this host: every change durable here, and on as many peers as its policy asks, or refused."""

import errno
import sqlite3
from pathlib import Path
from typing import assert_never

import msgspec

from cluster.clock import monotonic_s, now_ns
from cluster.health import NodeState
from cluster.log import logger
from cluster.publish import (
    Answer,
    Arriving,
    Ask,
    Change,
    CheckName,
    Cut,
    Describe,
    DescribeFiles,
    Done,
    Fetch,
    FindCanary,
    FindPartial,
    MakeDirectory,
    Measure,
    OutOfOrder,
    Publish,
    PutCanary,
    Reason,
    Refused,
    Remove,
    Rename,
    Request,
    SetMtime,
)
from cluster.settings import Settings
from cluster.tree_path import complaint, parent
from replicator.core.head import Heads, Kind, Vector, replaceable, seen_by, winner
from replicator.core.place import Written
from replicator.disk.lanes import each
from replicator.disk.marker import WrongRootError
from replicator.disk.tree import UnstableError
from replicator.index.intent import Intent
from replicator.measures import Measures
from replicator.not_yet import NotYetError
from replicator.operators.condition import Condition
from replicator.peers.mesh import Mesh
from replicator.peers.propagation import Propagation
from replicator.publish.arrivals import Arrivals
from replicator.publish.batches import Batches, uploaded_row
from replicator.publish.copies import Copies
from replicator.publish.moving import move
from replicator.publish.names import Names
from replicator.publish.questions import Questions
from replicator.publish.quotas import Claim, Quotas
from replicator.publish.refusals import (
    RefusedError,
    check_mtime,
    check_path,
    check_rename,
    check_room,
    check_staged,
    in_a_line,
    reason_of,
    refuse_at_mirror,
    refuse_children,
    refuse_excluded,
    refuse_file_above,
    refuse_folder,
    require,
    require_folder,
)
from replicator.publish.showing import Showings
from replicator.replica import Replica
from replicator.transfers.preparing import Offer

log = logger(__name__)


class Publishing:
    """Carries out the requests of the publish protocol. Used by the control thread alone."""

    def __init__(
        self,
        replica: Replica,
        mesh: Mesh,
        settings: Settings,
        condition: Condition,
        measures: Measures,
        propagation: Propagation,
    ) -> None:
        self._take_over = each(replica.tree.take_over)
        self._unlink = each(Path.unlink)
        self._disk_reserve_bytes = settings.replication.disk_reserve_bytes
        self._replica = replica
        self._condition = condition
        self._showings = Showings(replica.index, mesh)
        self._names = Names(replica.index, settings.replication.names)
        self._quotas = Quotas(replica.index, replica.staging.partials)
        self._questions = Questions(
            replica.index, mesh, self._quotas, self._names, len(settings.nodes), condition.health
        )
        nodes = len(settings.writers)
        self._copies = Copies(mesh, self._showings, nodes, measures)
        self._arrivals = Arrivals(mesh, replica, nodes)
        small_bytes = settings.replication.inline_bytes
        self._batches = Batches(replica, mesh, self._showings, nodes, measures, small_bytes)
        self._propagation = propagation
        self._measures = measures

    async def answer(self, request: Request) -> Answer:
        """Carry out one request."""
        if isinstance(request, Ask):
            return self._questions.answer(request)
        started_s = monotonic_s()
        try:
            answer: Answer = await self._carry_out(request)
        except RefusedError as error:
            answer = self._refused(request, error)
        except (NotYetError, UnstableError, WrongRootError) as error:
            answer = Refused(id=request.id, reason=Reason.NOT_READY, text=str(error))
        except (OSError, sqlite3.Error) as error:
            answer = Refused(id=request.id, reason=reason_of(error), text=in_a_line(error))
        self._note(request, answer, monotonic_s() - started_s)
        return answer

    def _refused(self, request: Request, error: RefusedError) -> Refused:
        """A node that is just back does not say that something is not there: a peer may be about to tell of it."""
        to_hear = self._condition.to_hear() if error.reason is Reason.NOT_FOUND else ()
        if to_hear:
            text = f"{error}, as far as this node knows; {', '.join(to_hear)} has yet to tell what is new"
            return Refused(id=request.id, reason=Reason.NOT_READY, text=text)
        return Refused(id=request.id, reason=error.reason, text=str(error))

    async def _carry_out(self, request: Request) -> Answer:
        state = self._condition.state()
        if state in {NodeState.FAILED, NodeState.JOINING} and not isinstance(request, Fetch | Describe | DescribeFiles):
            raise RefusedError(Reason.NOT_READY, f"the replicator is {state.value}; see its health document")
        refuse_at_mirror(self._replica.index, request)
        refuse_excluded(self._replica.index, request)
        match request:
            case Fetch():
                return await self._fetch(request)
            case Arriving() | OutOfOrder() | Cut() | FindPartial():
                return await self._arrivals.answer(request)
            case PutCanary() | FindCanary():
                return await self._propagation.answer(request)
            case Describe() | DescribeFiles() | Measure() | CheckName() | Ask():
                return self._questions.answer(request)
            case _:
                return await self._make(request)

    async def _make(self, change: Change) -> Done:
        match change:
            case Publish():
                return await self._publish(change)
            case MakeDirectory():
                return await self._make_directory(change)
            case Remove():
                return await self._remove(change)
            case Rename():
                return await self._rename(change)
            case SetMtime():
                return await self._set_mtime(change)
            case _:
                assert_never(change)

    async def _publish(self, request: Publish) -> Done:
        staging = self._replica.staging
        mine = staging.publishing_file()
        replica = self._replica
        asked = replica.index.place(request.path).heads  # what comes to be known meanwhile, the client has not replaced
        with self._arrivals.sealed(request.staged) as outflows:
            try:
                names = staging.uploaded(request.staged), mine
                size_bytes = await replica.lanes.run(self._take_over, names)
            except FileNotFoundError as error:
                raise RefusedError(Reason.CHANGED, f"the staged file {request.staged} is not there") from error
            except ValueError as error:
                raise RefusedError(Reason.BAD_PATH, str(error)) from error
            try:
                check_path(request.path)
                check_mtime(request.mtime_ns)
                check_staged(request, size_bytes)
                check_room(staging, self._disk_reserve_bytes)
                offer = Offer(request.content_id, request.size_bytes, mine, outflows, request.mtime_ns)
                return await self._publish_file(request, offer, asked)
            except BaseException:
                mine.unlink(missing_ok=True)
                raise

    async def _publish_file(self, request: Publish, offer: Offer, asked: Heads) -> Done:
        replica, path = self._replica, request.path
        refuse_file_above(replica.index, path)
        place = replica.index.place(path)
        known = len(place.heads) == 1 and place.row is not None and place.row.content_id == request.content_id
        known = known and await replica.is_as_recorded(path)
        if known and place.heads[0].content_id == request.content_id:
            done = await self._copies.repeat(request, offer)
            await replica.lanes.run(self._unlink, offer.file)
            return done
        refuse_folder(replica.index, path)
        with self._names.claim(path), self._quotas.claim(request) as claim:
            copies = await self._batches.publish(request, offer, claim, asked)
            if copies is not None:
                return self._copies.done(request, copies)
            return await self._install(request, offer, claim, asked)

    async def _install(self, request: Publish, offer: Offer, claim: Claim, asked: Heads) -> Done:
        replica, path = self._replica, request.path

        def saw() -> Vector:
            return replaceable(replica.index.place(path).heads, asked, request.content_id)

        async def local_change() -> list[str]:
            made = await replica.ensure_folders(path, over_files=False)
            async with replica.locks.of(path):
                replica.marker.check()
                refuse_folder(replica.index, path)
                intent = Intent(path=path, content_id=request.content_id, now_ns=now_ns(), account=request.account)
                number = replica.index.intend(msgspec.structs.replace(intent, saw=saw()))
                await replica.index.durable()
                try:
                    row = await replica.replace_locked(offer.file, path, uploaded_row(request), asked)
                    replica.index.feed(path, Written(row=row, now_ns=now_ns(), saw=saw(), account=request.account))
                    claim.settle()
                finally:
                    replica.index.forget(number)
            return [*made, path]

        return await self._copies.change(request, path, offer, local_change)

    async def _make_directory(self, request: MakeDirectory) -> Done:
        replica, path = self._replica, request.path
        check_path(path)
        if replica.index.is_live(path):
            raise RefusedError(Reason.EXISTS, f"{path} exists")
        require_folder(replica.index, parent(path))

        async def local_change() -> list[str]:
            made = await replica.ensure_folders(path, over_files=False)
            async with replica.locks.of(path):
                replica.marker.check()
                if replica.index.is_live(path):
                    raise RefusedError(Reason.EXISTS, f"{path} exists")
                known = replica.index.place(path).row
                row = await replica.blocking(replica.tree.make_folder, path, known)
                replica.index.feed(path, Written(row=row, now_ns=now_ns(), account=request.account))
                claim.settle()
            return [*made, path]

        with self._names.claim(path), self._quotas.claim(request) as claim:
            return await self._copies.change(request, path, None, local_change)

    async def _remove(self, request: Remove) -> Done:
        replica, path = self._replica, request.path
        seen = require(replica.index, path, Kind(request.kind))
        saw = seen_by(replica.index.place(path).heads)  # what comes to be known meanwhile, the client has not removed
        refuse_children(replica.index, path)
        replica.held_deletes.asked(seen.kind)

        async def local_change() -> list[str]:
            async with replica.locks.of(path):
                replica.marker.check()
                await replica.know_locked(path)
                if require(replica.index, path, Kind(request.kind)) != seen:
                    raise RefusedError(Reason.CHANGED, f"{path} was replaced meanwhile")
                refuse_children(replica.index, path)
                intent = Intent(path="", gone=path, now_ns=now_ns(), account=request.account, saw=saw)
                number = replica.index.intend(intent)
                await replica.index.durable()
                try:
                    known = await replica.versions.keep(path, replica.index.place(path))
                    await replica.blocking(replica.tree.remove, path, Kind(request.kind), known)
                    replica.index.feed(path, Written(row=None, now_ns=now_ns(), saw=saw, account=request.account))
                except OSError as error:
                    if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                        raise RefusedError(Reason.NOT_EMPTY, f"{path} is not empty") from error
                    raise
                finally:
                    replica.index.forget(number)
            return [path]

        return await self._copies.change(request, path, None, local_change)

    async def _rename(self, request: Rename) -> Done:
        replica, source, target = self._replica, request.source, request.target
        check_path(target)
        kind = check_rename(replica.index, request)
        replaced = winner(replica.index.place(target).heads)
        asked = {path: replica.index.place(path).heads for path in (source, *replica.index.below(source), target)}
        if kind is Kind.FILE:
            await replica.settle(source)

        async def local_change() -> list[str]:
            made = await replica.ensure_folders(target, over_files=False)
            locks = replica.locks
            async with locks.of(source, target) if kind is Kind.FILE else locks.everything():
                replica.marker.check()
                await replica.know_locked(target)
                if check_rename(replica.index, request) is not kind:
                    raise RefusedError(Reason.CHANGED, f"{source} became another kind of entry meanwhile")
                if winner(replica.index.place(target).heads) != replaced:
                    raise RefusedError(Reason.CHANGED, f"{target} was replaced meanwhile")
                moved = [source, *(path for path in replica.index.below(source) if replica.index.is_live(path))]
                for path in moved:
                    await replica.know_locked(path)
                missing = next((path for path in moved if path in replica.index.pending), None)
                if missing is not None:
                    raise RefusedError(Reason.NOT_READY, f"{missing} is not here yet; try again")
                return made + await move(replica, request, moved, asked, self._showings.moved)

        with self._names.claim(target, source):
            return await self._copies.change(request, source, None, local_change)

    async def _set_mtime(self, request: SetMtime) -> Done:
        replica, path = self._replica, request.path
        check_mtime(request.mtime_ns)
        require(replica.index, path, Kind.FILE)
        await replica.settle(path)

        async def local_change() -> list[str]:
            async with replica.locks.of(path):
                replica.marker.check()
                await replica.know_locked(path)
                head, known = require(replica.index, path, Kind.FILE), replica.index.place(path).row
                if known is None:
                    raise RefusedError(Reason.NOT_READY, f"{path} is not here yet; try again")
                await replica.touch_locked(path, known, request.mtime_ns, mode=head.mode, account=request.account)
            return [path]

        return await self._copies.change(request, path, None, local_change)

    async def _fetch(self, request: Fetch) -> Done:
        path = request.path
        if complaint(path) or not self._replica.index.is_live(path):
            raise RefusedError(Reason.NOT_FOUND, f"{path} does not exist")
        await self._replica.rescan(path)
        await self._replica.settle(path)
        return Done(id=request.id, copies=1, wanted=1)

    def _note(self, request: Request, answer: Answer, seconds: float) -> None:
        kind = type(request).__name__
        outcome = answer.reason.value if isinstance(answer, Refused) else "done"
        if isinstance(answer, Done) and answer.degraded:
            outcome = "degraded"
            self._condition.degraded_s = monotonic_s()
            log.warning("fewer copies than asked for", request=kind, copies=answer.copies, wanted=answer.wanted)
        elif isinstance(answer, Refused):
            log.warning("refused", request=kind, reason=answer.reason.value, text=answer.text)
        self._measures.requests.labels(kind=kind, outcome=outcome).inc()
        self._measures.request_seconds.labels(kind=kind).observe(seconds)
