"""What we do otherwise than paramiko in reading SFTP requests and sending answers.

- A refusal has a text of its own; paramiko sends the name of the number.
- The answer to CLOSE is whether the file is safe; paramiko always says OK, and says it of a file that it lost.
- A handle that the client did not close is discarded, so that a cut upload is never published.
- Handles are bounded. The extension check-file is not there: asked for more than the file has, it never ends.
"""

from typing import Any, Final

import paramiko
from paramiko.message import Message
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_EXTENDED,
    CMD_INIT,
    CMD_OPEN,
    CMD_OPENDIR,
    CMD_VERSION,
    SFTP_OK,
    SFTPError,
)
from typing_extensions import override

from ftpnode.core.sftp_status import Refusal, Status
from ftpnode.sftp_door.handle import Handle
from ftpnode.sftp_door.trouble import RequestRefusedError, answer_to

_VERSION: Final = 3
_HANDLES: Final = 64
_RENAME: Final = "posix-rename@openssh.com"


class Wire(paramiko.SFTPServer):
    """One SFTP channel."""

    def __init__(self, channel: paramiko.Channel, name: str, server: Any, *more: Any) -> None:
        super().__init__(channel, name, server, *more)
        self._session = server
        self._number = channel.get_id()

    @override
    def finish_subsystem(self) -> None:
        super().finish_subsystem()
        self._session.channel_over(self._number)

    def _send_server_version(self) -> int:
        private: Any = super()
        kind, data = private._read_packet()  # noqa: SLF001 - paramiko has no public way to change its greeting
        if kind != CMD_INIT or len(data) < 4:
            raise SFTPError("the client does not begin with INIT")
        greeting = Message()
        greeting.add_int(_VERSION)
        greeting.add_string(_RENAME)
        greeting.add_string("1")
        private._send_packet(CMD_VERSION, greeting)  # noqa: SLF001 - as above
        return int.from_bytes(data[:4], "big")

    def _process(self, kind: int, number: int, request: Message) -> None:
        private: Any = super()
        self._session.touch()
        try:
            if kind == CMD_CLOSE:
                self._close(request)
                private._send_status(number, SFTP_OK)  # noqa: SLF001 - the one way to answer
            else:
                self._check(kind, request)
                private._process(kind, number, request)  # noqa: SLF001 - the one place to catch what a request raises
        except EOFError:
            raise
        except Exception as error:  # noqa: BLE001 - a request gets an answer, whatever happens
            refusal = answer_to(error)
            private._send_status(number, refusal.status, refusal.text)  # noqa: SLF001 - paramiko's would have no text
        finally:
            self._session.touch()

    def _check(self, kind: int, request: Message) -> None:
        if kind in {CMD_OPEN, CMD_OPENDIR} and len(self.file_table) + len(self.folder_table) >= _HANDLES:
            raise RequestRefusedError(Refusal(Status.FAILURE, "Too many open files; close some."))
        if kind == CMD_EXTENDED:
            tag = Message(request.get_remainder()).get_string()
            if tag != _RENAME.encode():
                raise RequestRefusedError(Refusal(Status.OP_UNSUPPORTED, "This extension is not there."))

    def _close(self, request: Message) -> None:
        name = request.get_binary()
        if name in self.folder_table:
            del self.folder_table[name]
            return
        handle = self.file_table.pop(name, None)
        if not isinstance(handle, Handle):
            raise RequestRefusedError(Refusal(Status.BAD_MESSAGE, "There is no such handle."))
        handle.finish()
