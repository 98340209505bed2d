"""Knows what one session does: the command that runs or ran last, and what it moved; tells the access log how it ended.

Arguments that may be secret (PASS, and whatever is no command) are never kept.
"""

from typing import TYPE_CHECKING

from cluster import clock
from ftpnode.commands.table import COMMANDS
from ftpnode.core.log_lines import CommandDone

if TYPE_CHECKING:
    from ftpnode.core.line import Line
    from ftpnode.pyftpdlib_door.session import Session


class Doing:
    """One session's work, command after command."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self.command = ""
        self.argument = ""
        self.bytes_up = 0
        self.bytes_down = 0
        self._began_s = 0.0
        self._before_bytes = (0, 0)

    def begins(self, line: "Line") -> None:
        """A command is taken up."""
        known = COMMANDS.get(line.command)
        self.command = line.command
        self.argument = line.argument if known is not None and (known.login or line.command == "USER") else ""
        self._began_s = clock.monotonic_s()
        self._before_bytes = (self.bytes_up, self.bytes_down)

    def moved(self, up_bytes: int, down_bytes: int) -> None:
        """A data connection has ended."""
        self.bytes_up += up_bytes
        self.bytes_down += down_bytes

    def replies(self, text: str) -> None:
        """A line goes to the client; the last one of a command's last reply is logged, before the client reads it."""
        session = self._session
        logs = session.service.access_logs
        if not (logs.wants_commands and self.command and text[:1] in "2345" and text[3:4] == " "):
            return
        logs.command(
            CommandDone(
                at=clock.utc_now(),
                client=session.remote_ip,
                account=session.login.name if session.login else session.user,
                server=session.service.node.address,
                port=session.site.port,
                command=self.command,
                argument=self.argument,
                reply_code=text[:3],
                sent_bytes=self.bytes_down - self._before_bytes[1],
                received_bytes=self.bytes_up - self._before_bytes[0],
                seconds=clock.monotonic_s() - self._began_s,
                session=session.id,
            )
        )
