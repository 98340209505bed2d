"""A file on its way in over SFTP: bytes into staging, and at CLOSE a verdict, then the publisher, then the answer."""

import threading
from typing import TYPE_CHECKING, Final

import msgspec
from typing_extensions import override

from cluster import clock
from cluster.publish import Done, Reason, SetMtime
from ftpnode.arrival import Arrival
from ftpnode.core import sftp_status
from ftpnode.core.listing import Entry
from ftpnode.core.pace import ending_by_pace
from ftpnode.core.replies import published
from ftpnode.core.sftp_packet import DATA_LIMIT_BYTES, Attributes
from ftpnode.core.sftp_status import Refusal, Status
from ftpnode.core.upload_gaps import MOST_OWED_BYTES, owed_after_write
from ftpnode.core.verdict import Ending, judge_upload
from ftpnode.ports import ChangeRefusedError, PublisherUnreachableError, change
from ftpnode.publish_upload import publish_upload
from ftpnode.sftp_door.handle import Handle
from ftpnode.sftp_door.trouble import RequestRefusedError, answer_to
from ftpnode.transfer_record import TransferRecord
from ftpnode.trouble import ending_of

if TYPE_CHECKING:
    from ftpnode.core.login import Candidate
    from ftpnode.sftp_door.session import Session
    from ftpnode.staging import StagedFile

_NS: Final = 1_000_000_000


class Manner(msgspec.Struct, frozen=True):
    """How OPEN wanted it: every WRITE goes to the end; nobody else's file is replaced; what is written may be read."""

    appends: bool = False
    exclusive: bool = False
    readable: bool = False


class Upload(Handle):
    """A file that is written. Its channel's thread works on it; `watch` comes from the loop, `cut` from any thread."""

    def __init__(
        self, session: "Session", path: str, view: str, staged: "StagedFile", manner: Manner, mtime_s: int | None
    ) -> None:
        super().__init__(view)
        assert session.login is not None, "uploads need a login"
        self._session = session
        self._login: Candidate = session.login
        self._path = path
        self._staged = staged
        self._arrival = Arrival(session.service, session.login, path, staged)
        self._manner = manner
        self._mtime_s = mtime_s
        self._lock = threading.Lock()
        self._ending: Ending | None = None
        self._owed_bytes = 0
        self._moved_bytes = 0
        self._watched_bytes = 0
        self._watched_s = clock.monotonic_s()
        self._record = TransferRecord(session.service, session, path, is_upload=True)
        session.transfer_begins("write", self)

    @property
    @override
    def moved_bytes(self) -> tuple[int, int]:
        return self._moved_bytes, 0

    @override
    def write(self, offset: int, data: memoryview, /) -> None:
        with self._lock:
            self._check()
            end_bytes = self._staged.size_bytes
            at = end_bytes if self._manner.appends else offset
            owed_bytes = owed_after_write(self._owed_bytes, end_bytes, at, len(data))
            if owed_bytes > MOST_OWED_BYTES:
                self._cut(Ending.TOO_LARGE)
                raise RequestRefusedError(Refusal(Status.FAILURE, "This skips too much of the file."))
            if data and at != end_bytes:
                self._leave_order()
            try:
                self._staged.write_at(at, data)
            except OSError as error:
                self._cut(ending_of(error))
                self._check()
            self._arrival.grew()
            self._owed_bytes = owed_bytes
            self._moved_bytes += len(data)

    @override
    def read(self, offset: int, length: int, /) -> bytes:
        if not self._manner.readable:
            return super().read(offset, length)
        with self._lock:
            self._check()
            return self._staged.read_at(offset, min(length, DATA_LIMIT_BYTES))

    @override
    def stat(self) -> Entry:
        with self._lock:
            mtime_s = clock.now_s() if self._mtime_s is None else self._mtime_s
            return Entry("", is_directory=False, size_bytes=self._staged.size_bytes, mtime_s=mtime_s)

    @override
    def set_attributes(self, wanted: Attributes, /) -> None:
        """A time is that of the published file; a size may cut off the end; owner and mode are not kept."""
        with self._lock:
            self._check()
            if wanted.size_bytes is not None:
                if wanted.size_bytes > self._staged.size_bytes:
                    raise RequestRefusedError(Refusal(Status.OP_UNSUPPORTED, "A file grows by writing alone."))
                if wanted.size_bytes < self._staged.size_bytes:
                    self._leave_order()
                self._staged.truncate(wanted.size_bytes)
            self._mtime_s = self._mtime_s if wanted.mtime_s is None else wanted.mtime_s

    @override
    def finish(self) -> str:
        """Published, or refused; the client's CLOSE waits for either as a 226 does."""
        with self._lock:
            self._check()
            self._ending = Ending.CLOSED
        try:
            done = self._session.publishing(self._publish)
        except Exception as error:
            self._staged.discard()
            refusal = answer_to(error)
            outcome = error.reason.value if isinstance(error, ChangeRefusedError) else "unpublished"
            self._write_down(outcome, is_complete=False, reply=refusal.text)
            raise RequestRefusedError(refusal) from error
        finally:
            self._session.transfer_ends(self)
        reply = sftp_status.without_code(published(done))
        self._write_down("published", is_complete=True, reply=reply, copies=done.copies, wanted=done.wanted)
        return reply

    @override
    def lost(self) -> None:
        self.cut(Ending.CONTROL_GONE)

    def cut(self, ending: Ending) -> None:
        """End it like this, if it has not ended yet; nothing of it stays. Blocks on the disk."""
        with self._lock:
            if self._ending is None:
                self._cut(ending)

    def watch(self, now_s: float, *, is_ours: bool) -> Ending | None:
        """How it ends by its pace, asked every now and then; the time is `is_ours` where the client waits for us."""
        limits = self._session.service.limits
        if is_ours:
            self._watched_s, self._watched_bytes = now_s, self._moved_bytes
        window_s = now_s - self._watched_s
        if window_s < limits.transfer_stall_s or self._ending is not None:
            return None
        is_slowed = self._login.account.limits.upload_bytes_per_s is not None
        moved_bytes = self._moved_bytes - self._watched_bytes
        self._watched_s, self._watched_bytes = now_s, self._moved_bytes
        return ending_by_pace(moved_bytes, window_s, 0 if is_slowed else limits.minimum_bytes_per_s)

    def _check(self) -> None:
        """Refuse everything once it has ended."""
        if self._ending is not None:
            raise RequestRefusedError(sftp_status.failure(judge_upload(self._ending).reply))

    def _leave_order(self) -> None:
        """What came in order was right so far, and a client might go on with it; with what follows it must not."""
        try:
            self._arrival.leave_order()
        except (ChangeRefusedError, PublisherUnreachableError) as error:
            self._cut(Ending.BROKEN)
            raise RequestRefusedError(answer_to(error)) from error

    def _cut(self, ending: Ending) -> None:
        """Under the lock."""
        self._ending = ending
        verdict = judge_upload(ending)
        self._arrival.cut_soon(keep=verdict.may_go_on)
        self._session.transfer_ends(self)
        self._write_down(ending.value, is_complete=False, reply=sftp_status.without_code(verdict.reply))

    def _publish(self) -> Done:
        """Runs in a worker thread. The same content in the same place is no change, so a time is set by itself then."""
        service = self._session.service
        if self._manner.exclusive and self._found() is not None:
            raise ChangeRefusedError(Reason.EXISTS, "made by somebody else meanwhile")
        mtime_ns = clock.now_ns() if self._mtime_s is None else self._mtime_s * _NS
        done = publish_upload(service, self._login, self._path, self._staged, mtime_ns)
        found = self._found()
        if found is not None and self._mtime_s is not None and int(found.mtime_s) != self._mtime_s:
            policy = self._login.account.publish_policy()
            request = SetMtime(id=0, account=self._login.name, policy=policy, path=self._path, mtime_ns=mtime_ns)
            done = change(service.publisher, request, service.limits.publish_timeout_s)
        return done

    def _found(self) -> Entry | None:
        """What stands in its place."""
        try:
            return self._session.service.tree.entry(self._path)
        except FileNotFoundError:
            return None

    def _write_down(self, outcome: str, *, is_complete: bool, **more: object) -> None:
        content_id = self._staged.content.content_id()
        self._record.close(self._moved_bytes, outcome, is_complete=is_complete, content_id=content_id, **more)
