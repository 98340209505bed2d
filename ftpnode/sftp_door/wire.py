"""One SFTP channel: requests in, one answer each out, in order.

paramiko brings a server of its own, paramiko.SFTPServer, of which nothing is used: it answers OK to every CLOSE, and
treats what a lost client left as closed; its refusals have no text; names have to be UTF-8; and it takes its bytes in
small pieces from a buffer that moves all the others each time.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import paramiko
from paramiko.server import SubsystemHandler
from typing_extensions import override

from cluster import clock
from cluster.log import logger
from ftpnode.core import sftp_answer
from ftpnode.core import sftp_packet as packet
from ftpnode.core.sftp_status import Refusal, Status
from ftpnode.paces import Direction
from ftpnode.sftp_door.files import Files
from ftpnode.sftp_door.trouble import RequestRefusedError, answer_to

if TYPE_CHECKING:
    from ftpnode.sftp_door.handle import Handle

log = logger(__name__)

_HANDLES: Final = 64
_RECEIVE_BYTES: Final = 1 << 20
_SEND_BYTES: Final = (32 << 10) - 64  # what paramiko puts into one SSH packet
_UNSENT_BYTES: Final = 256 << 10
_QUIET: Final = (packet.Read, packet.Write, packet.ReadDir, packet.FStat, packet.RealPath, packet.AskLimits)


class Wire(SubsystemHandler):
    """The SFTP subsystem of one channel; it has a thread of its own."""

    def __init__(self, channel: paramiko.Channel, name: str, server: Any) -> None:
        super().__init__(channel, name, server)
        self._session = server.session
        self._files = Files(server.session)
        self._channel = channel
        self._handles: dict[bytes, Handle] = {}
        self._opened = 0
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        files = self._files
        self._acts: Final[dict[type, Callable[[int, Any], bytes]]] = {
            packet.Open: self._open,
            packet.Close: self._close,
            packet.Read: self._read,
            packet.Write: self._write,
            packet.Stat: lambda number, request: sftp_answer.attrs(number, files.stat(request.path)),
            packet.FStat: lambda number, request: sftp_answer.attrs(number, self._handle(request.handle).stat()),
            packet.SetStat: _done(lambda request: files.set_attributes(request.path, request.attributes)),
            packet.FSetStat: _done(lambda request: self._handle(request.handle).set_attributes(request.attributes)),
            packet.OpenDir: self._open_folder,
            packet.ReadDir: self._read_folder,
            packet.Remove: _done(lambda request: files.remove(request.path)),
            packet.MkDir: _done(lambda request: files.make_directory(request.path)),
            packet.RmDir: _done(lambda request: files.remove_directory(request.path)),
            packet.Rename: _done(lambda request: files.rename(request.source, request.target, replace=request.replace)),
            packet.RealPath: self._real_path,
            packet.AskLimits: lambda number, _: sftp_answer.limits(number, _HANDLES),
            packet.Link: _refuse(Refusal(Status.OP_UNSUPPORTED, "There are no links here.")),
            packet.Unknown: _refuse(Refusal(Status.OP_UNSUPPORTED, "This request is not there.")),
            packet.Garbled: _refuse(Refusal(Status.BAD_MESSAGE, "This request cannot be read.")),
        }

    @override
    def start_subsystem(self, name: str, transport: paramiko.Transport, channel: paramiko.Channel) -> None:
        """Work until the client, or we, end the session. What a client sent before it left is still done."""
        reader = packet.PacketReader()
        is_greeted = False
        try:
            while data := channel.recv(_RECEIVE_BYTES):
                for each in reader.feed(data):
                    if self._session.is_over:
                        return
                    if is_greeted:
                        self._answer(each)
                    else:
                        packet.read_init(each)
                        self._send(sftp_answer.version())
                        is_greeted = True
                self._flush()
        except packet.BadPacketError as error:
            log.info("no SFTP", why=str(error), **self._session.who)
        except (OSError, EOFError):
            log.debug("channel closed", **self._session.who)  # by the client, while we answered

    @override
    def finish_subsystem(self) -> None:
        """Whatever is open is lost: a client that leaves in the middle of an upload has not uploaded anything."""
        for handle in self._handles.values():
            handle.lost()
        self._handles.clear()
        self._session.channel_ends(self._channel.get_id())
        super().finish_subsystem()

    @property
    def _encoding(self) -> str:
        return "latin-1" if self._session.login.account.compatibility.latin1_names else "utf-8"

    def _answer(self, raw: memoryview) -> None:
        self._session.touch()
        began_s = clock.monotonic_s()
        number, request = packet.read_request(raw, self._encoding)
        if not isinstance(request, packet.Read | packet.Write):
            self._flush()  # it may have to wait
        handle, code = self._handles.get(packet.handle_of(request)), Status.OK
        try:
            answer = self._acts[type(request)](number, request)
        except Exception as error:  # noqa: BLE001 - a request gets an answer, whatever happens
            refusal = answer_to(error)
            code = refusal.status
            answer = sftp_answer.status(number, code, refusal.text)
        if not isinstance(request, _QUIET):
            self._log(request, handle, code, clock.monotonic_s() - began_s)
        self._send(answer)
        self._session.touch()

    def _send(self, answer: bytes) -> None:
        """Collect answers: many small ones go into one SSH packet."""
        self._unsent.append(answer)
        self._unsent_bytes += len(answer)
        if self._unsent_bytes >= _UNSENT_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Send what was collected; OSError when the channel is gone."""
        if not self._unsent:
            return
        rest = memoryview(self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent))
        self._unsent.clear()
        self._unsent_bytes = 0
        with self._session.sending(id(self)):
            while rest:
                sent_bytes = self._channel.send(bytes(rest[:_SEND_BYTES]))
                if not sent_bytes:
                    raise OSError("the channel is closed")
                rest = rest[sent_bytes:]

    def _handle(self, name: bytes) -> "Handle":
        found = self._handles.get(name)
        if found is None:
            raise RequestRefusedError(Refusal(Status.FAILURE, "There is no such handle."))
        return found

    def _keep(self, number: int, handle: "Handle") -> bytes:
        self._opened += 1
        name = b"%x" % self._opened
        self._handles[name] = handle
        return sftp_answer.handle(number, name)

    def _check_room(self) -> None:
        if len(self._handles) >= _HANDLES:
            raise RequestRefusedError(Refusal(Status.FAILURE, "Too many open files; close some."))

    def _open(self, number: int, request: packet.Open) -> bytes:
        self._check_room()
        return self._keep(number, self._files.open(request.path, request.flags, request.attributes))

    def _open_folder(self, number: int, request: packet.OpenDir) -> bytes:
        self._check_room()
        return self._keep(number, self._files.list(request.path))

    def _close(self, number: int, request: packet.Close) -> bytes:
        handle = self._handle(request.handle)
        del self._handles[request.handle]
        return sftp_answer.status(number, Status.OK, handle.finish())

    def _read(self, number: int, request: packet.Read) -> bytes:
        content = self._handle(request.handle).read(request.offset, request.length)
        if not content:
            return sftp_answer.status(number, Status.EOF, "There is no more.")
        self._keep_pace("down", len(content))
        return sftp_answer.data(number, content)

    def _write(self, number: int, request: packet.Write) -> bytes:
        self._handle(request.handle).write(request.offset, request.data)
        self._keep_pace("up", len(request.data))
        return sftp_answer.status(number, Status.OK, "")

    def _real_path(self, number: int, request: packet.RealPath) -> bytes:
        return sftp_answer.real_path(number, self._files.view(request.path), self._encoding)

    def _read_folder(self, number: int, request: packet.ReadDir) -> bytes:
        entries = self._handle(request.handle).next_entries()
        if not entries:
            return sftp_answer.status(number, Status.EOF, "There is no more.")
        return sftp_answer.names(number, entries, clock.now_s(), self._encoding)

    def _keep_pace(self, direction: Direction, moved_bytes: int) -> None:
        """Rest as the account's rate demands; what was answered before that goes out first."""
        pause_s = self._session.pause_s(direction, moved_bytes)
        if pause_s:
            self._flush()
            self._session.rest(pause_s)

    def _log(self, request: packet.Request, handle: "Handle | None", code: Status, seconds: float) -> None:
        """CLOSE tells what was moved; the others what they were about."""
        moved_bytes = handle.moved_bytes if handle and isinstance(request, packet.Close) else (0, 0)
        subject = handle.view if handle else packet.subject(request)
        name = type(request).__name__.upper()
        self._session.log_command(name, subject, str(code.value), moved_bytes=moved_bytes, seconds=seconds)


def _done(act: Callable[[Any], None]) -> Callable[[int, Any], bytes]:
    """Act on the request, and answer that it is done."""

    def answer(number: int, request: Any) -> bytes:
        act(request)
        return sftp_answer.status(number, Status.OK, "")

    return answer


def _refuse(refusal: Refusal) -> Callable[[int, Any], bytes]:
    return lambda number, _: sftp_answer.status(number, refusal.status, refusal.text)
