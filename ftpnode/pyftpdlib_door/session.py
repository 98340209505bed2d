"""One client's session once it has been greeted: one command at a time, until either side closes.

What pyftpdlib's FTPHandler does with a line is replaced as a whole: it runs pipelined commands while a login or a
transfer is under way. Here a line waits its turn.
"""

import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ClassVar, Final, TypeVar

from pyftpdlib.ioloop import IOLoop
from typing_extensions import override

from cluster import clock
from cluster.live import LiveSession
from cluster.settings import Compatibility, Resumption, Settings
from ftpnode.commands.spelling import respell
from ftpnode.commands.table import COMMANDS, Command
from ftpnode.core.client_path import PathRefusedError, tree_path, view_path
from ftpnode.core.digests import HASH_NAMES
from ftpnode.core.line import WEB_COMMANDS, Line, read_latin1, read_line
from ftpnode.core.listing import FACTS
from ftpnode.core.reload import login_after
from ftpnode.core.replies import NO_SUCH_FILE
from ftpnode.core.rights import denial, holds_denied, is_denied, may_do
from ftpnode.core.verdict import Ending
from ftpnode.doing import Doing
from ftpnode.pyftpdlib_door.arrival import Arrival
from ftpnode.pyftpdlib_door.data_connection import PlainDataConnection
from ftpnode.pyftpdlib_door.data_side import DataSide
from ftpnode.pyftpdlib_door.off_loop import OffLoop
from ftpnode.pyftpdlib_door.seen import seen
from ftpnode.trouble import CommandRefusedError, reply_to

T = TypeVar("T")

MAX_WAITING_LINES: Final = 128


class Session(Arrival):
    """One client's session. Each site has a subclass of its own, because pyftpdlib keeps settings in the class."""

    threads: ClassVar[OffLoop]

    def __init__(self, conn: socket.socket, server: object, ioloop: IOLoop | None = None) -> None:
        self.user = ""
        self.failed_logins = 0
        self.cwd = "/"
        self.restart_at = 0
        self.told_partial: tuple[str, int] | None = None  # the last SIZE told so much of a cut upload to this tree path
        self.rename_from: str | None = None
        self.facts: frozenset[str] = frozenset(FACTS)
        self.hash_name = HASH_NAMES[0]
        self.only_epsv = False
        self.type_name = "I"
        self.data = DataSide(self)
        self.doing = Doing(self)
        self._farewell = ""
        self._half_closed = False
        self._job = False
        self._working = False
        self._waiting: deque[Line] = deque()
        super().__init__(conn, server, ioloop)

    @override
    def admit(self) -> str | None:
        if self.is_probe:  # no session: of a node that drains or is full a balancer has to hear that, not a 421
            return None
        return self.service.sessions.admit(self, self.service.limits, clock.monotonic_s())

    # --- lines in

    @override
    def found_terminator(self) -> None:
        data = b"".join(self._in_buffer)
        self._in_buffer = []
        self._in_buffer_len = 0
        if self.is_deaf or self._closed:
            return
        if not self.bounds_lines:
            self.read_proxy_header(data)
            return
        self._stay_awake()
        line = read_line(data)
        if line.command == "ABOR" and self.data.transfer is not None:
            self.data.cut(Ending.ABORTED)
            self.reply("226 ABOR command successful.")
        elif line.command == "STAT" and not line.argument and self.data.transfer is not None:
            COMMANDS["STAT"].act(self, "")
        elif len(self._waiting) >= MAX_WAITING_LINES:
            self.hang_up("421 Too many commands are waiting.")
        else:
            self._waiting.append(line)
            self._work_off()

    @property
    @override
    def is_busy(self) -> bool:
        """Whether the next command has to wait: a login, a change or a transfer is under way."""
        return self._job or self.data.transfer is not None

    def _work_off(self) -> None:
        if self._working:
            return
        self._working = True
        try:
            while self._waiting and not (self._farewell or self.is_busy or self.is_deaf or self._closed):
                self._execute(self._waiting.popleft())
        finally:
            self._working = False
        if self._farewell and not (self.is_busy or self.is_deaf or self._closed):
            self.hang_up(self._farewell)
        if self._half_closed and not self.is_busy:
            self.close()

    def _execute(self, line: Line) -> None:
        self.doing.begins(line)
        command = COMMANDS.get(line.command)
        if line.command in WEB_COMMANDS:
            self.hang_up("421 This is no web server.")
        elif command is None:
            self.reply(f'500 Command "{line.command}" not understood.')
        elif command.argument == "required" and not line.argument:
            self.reply(f"501 {line.command} needs an argument.")
        elif command.login and self.login is None:
            self.reply("530 Log in with USER and PASS first.")
        elif self.login is not None and not may_do(line.command, self.login.account.rights):
            self.reply(denial(line.command, read_only=self.service.node.read_only))
        elif command.data and self._needs_private_data():
            self.reply("521 Your account needs protected data connections; use PROT P.")
        else:
            self._prepare(command, line)

    def _prepare(self, command: Command, line: Line) -> None:
        """Read the argument as the account's clients mean it."""
        if self.login is None:
            self._act(command, line.argument)
            return
        if self.compatibility.latin1_names:
            line = read_latin1(line)
        if self.compatibility.case_insensitive:
            respell(self, line, lambda argument: self._act(command, argument))
        else:
            self._act(command, line.argument)

    def _act(self, command: Command, argument: str) -> None:
        try:
            command.act(self, argument)
        except (PathRefusedError, CommandRefusedError) as error:
            self.reply_trouble(error)

    def _needs_private_data(self) -> bool:
        assert self.login is not None, "data commands need a login"
        account = self.login.account
        wanted = account.needs_tls or account.data_tls_resumption is Resumption.REQUIRE
        return wanted and self.is_tls and not self._prot

    def nothing_is_behind(self) -> bool:
        """Whether the client has sent nothing behind the command that runs now."""
        return not (self._waiting or self._in_buffer or self.ac_in_buffer)

    # --- work off the loop

    def off_loop(
        self,
        pool: Executor,
        work: Callable[[], T],
        then: Callable[[T], None],
        otherwise: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Do `work` in a thread and `then` with its value on the loop; the next command waits until that has run.

        `then` (or `otherwise`, with what was raised; by default it replies what fits) runs also for a client that left.
        """
        self._job = True
        self.threads.run(pool, work, lambda future: self._job_done(future, then, otherwise or self.reply_trouble))

    def later(self, delay_s: float, then: Callable[[], None]) -> None:
        """Do `then` after a delay in which no command runs."""
        self._job = True
        self.ioloop.call_later(delay_s, self._delay_over, then)

    @override
    def reply(self, text: str) -> None:
        self.doing.replies(text)
        super().reply(text)

    def reply_trouble(self, error: BaseException) -> None:
        """Reply what fits an error."""
        self.reply(reply_to(error))

    def _delay_over(self, then: Callable[[], None]) -> None:
        self._job = False
        then()
        self._stay_awake()
        self._work_off()

    def _job_done(
        self, future: "Future[T]", then: Callable[[T], None], otherwise: Callable[[BaseException], None]
    ) -> None:
        self._job = False
        error = future.exception()
        if error is None:
            then(future.result())
        else:
            otherwise(error)
        self._stay_awake()
        self._work_off()

    def transfer_over(self) -> None:
        """A transfer has ended: the next command may run."""
        self._stay_awake()
        self._work_off()

    def data_ended(self, connection: PlainDataConnection, ending: Ending) -> None:
        """A data connection was closed."""
        self.doing.moved(connection.tot_bytes_received, connection.tot_bytes_sent)
        self.data.ended(connection, ending)

    # --- what operators ask of the session

    def seen(self, now_s: float) -> LiveSession:
        """What it does at this moment."""
        return seen(self, now_s)

    def follow(self, settings: Settings) -> None:
        """Go on by these settings, or end after the command that runs, if they have no place for this login."""
        if self.login is not None:
            after = login_after(self.login, self.site_name, settings)
            self.login = after or self.login
            if after is None:
                self.end_after_this("421 Your account has changed; log in again.")

    def kick(self) -> None:
        """End it with 421, and the transfer that is under way."""
        if self.data.transfer is not None:
            self.data.cut(Ending.ABORTED)
        self.hang_up("421 An operator ended this session.")

    # --- what commands ask about the session

    def view(self, text: str) -> str:
        """The absolute path in the client's view of what the client wrote."""
        backslashes = self.login is None or self.compatibility.backslash_paths
        return view_path(self.cwd, text, backslashes=backslashes)

    def tree_path(self, text: str) -> str:
        """The tree path of what the client wrote; PathRefusedError when it can be none.

        CommandRefusedError when it is denied to the account.
        """
        view = self.view(text)
        if not self.may_see(view):
            raise CommandRefusedError(NO_SUCH_FILE)
        return tree_path(self.home, view)

    def may_see(self, view: str) -> bool:
        """Whether the account's `deny` leaves it what stands at a view path."""
        assert self.login is not None, "paths need a login"
        return not is_denied(view, self.login.account.deny)

    def may_move(self, text: str) -> bool:
        """Whether what the client wrote holds nothing denied, which would come out under its new name."""
        assert self.login is not None, "paths need a login"
        return not holds_denied(self.view(text), self.login.account.deny)

    @property
    def data_tls_resumption(self) -> Resumption:
        """What the account asks of TLS on data connections; from a balancer they must be of its own session here."""
        if self.from_balancer:
            return Resumption.REQUIRE
        return self.login.account.data_tls_resumption if self.login else Resumption.OFF

    @property
    @override
    def name_encoding(self) -> str:
        return "latin-1" if self.login is not None and self.compatibility.latin1_names else "utf-8"

    @property
    def compatibility(self) -> Compatibility:
        """What the account's clients need."""
        assert self.login is not None, "compatibility needs a login"
        return self.login.account.compatibility

    @property
    def home(self) -> str:
        """The tree path of the account's home."""
        assert self.login is not None, "homes need a login"
        return self.login.account.home.strip("/")

    def log_out(self) -> None:
        """Forget the login and all that came with it; the connection stays."""
        self.data.drop()
        self.service.sessions.log_out(self)
        self.user, self.login = "", None
        self.cwd, self.restart_at, self.rename_from, self.told_partial = "/", 0, None, None
        self.only_epsv = False
        self.expect_login()

    # --- endings

    def end_after_this(self, text: str) -> None:
        """Hang up as soon as no command is under way; run no other."""
        self._farewell = text
        self._work_off()

    def _stay_awake(self) -> None:
        if self._idler is not None and not self._idler.cancelled:
            self._idler.reset()

    @override
    def handle_timeout(self) -> None:
        """As FTPHandler's, but a session with a transfer or a change under way is not idle."""
        if self._ssl_accepting:
            self.close()
        elif self.is_busy:
            self._idler = self.ioloop.call_later(self.timeout, self.handle_timeout, _errback=self.handle_error)
        else:
            self.hang_up("421 Idle for too long.")

    @override
    def handle_close(self) -> None:
        """The client has closed. Simple ones send `user…quit` and close at once: what is waiting is still done."""
        if self.lingers():
            return
        has_work = self.data.transfer is None and (self._job or self._waiting)
        if has_work and not (self.is_deaf or self._half_closed):
            self._half_closed = True
            self.ioloop.modify(self._fileno, 0)
        else:
            self.close()

    @override
    def on_disconnect(self) -> None:
        """Runs once after the connection has ended, however that came about (`close` is called in several ways)."""
        self._waiting.clear()
        self.data.transfer_ended(Ending.CONTROL_GONE)
        self.service.sessions.closed(self)
