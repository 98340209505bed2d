"""STOR, APPE, STOU, REST: bytes into staging, then a verdict, then the publisher, then the reply."""

import secrets
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from cluster import clock
from cluster.publish import Done
from cluster.tree_path import parent
from ftpnode.arrival import Arrival
from ftpnode.commands.reading import read_here
from ftpnode.core.replies import published
from ftpnode.core.verdict import Ending, judge_upload
from ftpnode.partial_uploads import found_partial, go_on
from ftpnode.ports import ChangeRefusedError
from ftpnode.publish_upload import publish_upload
from ftpnode.room import stage
from ftpnode.staging import StagedFile
from ftpnode.transfer import Transfer
from ftpnode.transfer_record import TransferRecord
from ftpnode.trouble import CommandRefusedError, reply_to
from ftpnode.upload_target import existing, look_at_target

if TYPE_CHECKING:
    from ftpnode.pyftpdlib_door.data_connection import DataConnection
    from ftpnode.pyftpdlib_door.session import Session

_MAX_OFFSET_DIGITS: Final = 18
_WHOLE_FILE: Final = -1
_ASK_FIRST: Final = "450 A part of this file has come before: ask its SIZE and go on, or send all by STOR."


class Upload(Transfer):
    """A file on its way in."""

    def __init__(self, session: "Session", path: str, staged: StagedFile, opening: str) -> None:
        assert session.login is not None, "uploads need a login"
        self._session = session
        self._service = session.service
        self._login = session.login
        self._path = path
        self._staged = staged
        self._arrival = Arrival(session.service, session.login, path, staged)
        self._record = TransferRecord(session.service, session, path, is_upload=True)
        self._ended_s = clock.monotonic_s()
        self._copied_bytes = staged.content.size_bytes
        self.opening = opening

    @override
    def start(self, connection: "DataConnection") -> None:
        connection.receive_into(self._staged, self._arrival.grew)

    @override
    def ended(self, ending: Ending) -> None:
        self._ended_s = clock.monotonic_s()
        verdict = judge_upload(ending)
        if not verdict.complete:
            self._arrival.cut_soon(keep=verdict.may_go_on)
            self._close_with(verdict.reply, ending.value)
            return
        self._service.publishing += 1
        self._service.sessions.transfers += 1
        self._session.off_loop(self._service.workers.publishes, self._publish, self._published, self._refused)

    def _publish(self) -> Done:
        """Runs in a thread."""
        return publish_upload(self._service, self._login, self._path, self._staged, clock.now_ns())

    def _published(self, done: Done) -> None:
        self._publishing_over()
        self._close_with(published(done), "published", copies=done.copies, wanted=done.wanted)

    def _refused(self, error: BaseException) -> None:
        self._publishing_over()
        outcome = error.reason.value if isinstance(error, ChangeRefusedError) else "unpublished"
        self._close_with(reply_to(error), outcome)

    def _publishing_over(self) -> None:
        self._service.publishing -= 1
        self._service.sessions.transfers -= 1
        self._service.metrics.publish_seconds.observe(clock.monotonic_s() - self._ended_s)

    def _close_with(self, reply: str, outcome: str, **more: int) -> None:
        content = self._staged.content
        self._record.close(
            content.size_bytes - self._copied_bytes,
            outcome,
            is_complete=reply.startswith("226"),
            content_id=content.content_id(),
            reply=reply,
            **more,
        )
        self._session.reply(reply)


def store(session: "Session", argument: str) -> None:
    """STOR; after REST it keeps that many bytes of the file that stands there and appends the rest."""
    keep_bytes, session.restart_at = session.restart_at, 0
    _begin(session, session.tree_path(argument), keep_bytes, "Send the file.")


def append(session: "Session", argument: str) -> None:
    """APPE: makes the file where there is none (RFC 959)."""
    if session.restart_at:
        session.restart_at = 0
        session.reply("503 REST makes no sense before APPE.")
    else:
        _begin(session, session.tree_path(argument), _WHOLE_FILE, "Send the rest of the file.")


def store_unique(session: "Session", argument: str) -> None:
    """STOU: a name that nobody has; the 125 or 150 reply tells it (RFC 1123 section 4.1.2.9)."""
    if session.restart_at:
        session.restart_at = 0
        session.reply("503 REST makes no sense before STOU.")
        return
    written = f"{argument or 'file'}.{secrets.token_hex(8)}"
    _begin(session, session.tree_path(written), 0, f"FILE: {session.view(written).rpartition('/')[2]}")


def restart(session: "Session", argument: str) -> None:
    """REST (RFC 3659 section 5); bytes are bytes in every type."""
    if argument.isascii() and argument.isdigit() and len(argument) <= _MAX_OFFSET_DIGITS:
        session.restart_at = int(argument)
        session.reply(f"350 The next transfer starts at byte {session.restart_at}.")
    else:
        session.reply("501 That is not a byte offset.")


def _begin(session: "Session", path: str, keep_bytes: int, opening: str) -> None:
    assert session.login is not None, "uploads need a login"
    service, home, login = session.service, session.home, session.login
    told_path, told_bytes = session.told_partial or (path, 0)
    session.told_partial = None
    if told_path != path:
        told_bytes = 0

    def prepare() -> StagedFile:
        look_at_target(service, path, home)
        staged = stage(service, login, path)
        try:
            if keep_bytes:
                _keep(session, path, staged, keep_bytes, told_bytes)
        except BaseException:
            staged.discard()
            raise
        return staged

    asks = keep_bytes or login.account.quota() is not None or service.minds_names  # then the replicator
    pool = service.workers.fetches if asks else service.workers.disk
    above = parent(path)  # a session that moved here may write into a folder that only its last node had
    read_here(session, above, prepare, lambda staged: session.data.begin(Upload(session, path, staged, opening)), pool)


def _keep(session: "Session", path: str, staged: StagedFile, keep_bytes: int, told_bytes: int) -> None:
    """Begin with the bytes that the command keeps: of the file, or of what has come of it before.

    APPE goes on with the latter for a client that was just told how much that is, and for no other: one that appends
    by itself would send its bytes once more.
    """
    service, login = session.service, session.login
    assert login is not None, "uploads need a login"
    try:
        with existing(service, path, login) as source:
            size_bytes = source.seek(0, 2)
            if keep_bytes != _WHOLE_FILE:
                _check_offset(keep_bytes, size_bytes)
            staged.copy_from(source, size_bytes if keep_bytes == _WHOLE_FILE else keep_bytes)
    except FileNotFoundError:
        if keep_bytes != _WHOLE_FILE or told_bytes:
            go_on(service, login, path, staged, told_bytes if keep_bytes == _WHOLE_FILE else keep_bytes)
        elif found_partial(service, login, path) is not None:
            raise CommandRefusedError(_ASK_FIRST) from None


def _check_offset(offset: int, size_bytes: int) -> None:
    if offset > size_bytes:
        raise CommandRefusedError(f"554 The file has {size_bytes} bytes; REST asks for {offset}.")
