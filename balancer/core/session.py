"""One client's session: events come in, actions go out. It knows no socket, no clock and no TLS.

Commands are served one at a time and in order; each by a procedure (see conversation.py) that all events go to until
it is done. ABOR and STAT are heard during a transfer, every other command waits for its end (RFC 959, 4.1.3); so QUIT
in a transfer is answered after the transfer's own reply.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from balancer.core.actions import Action, CloseBack, DropData, EndSession, NoteTransfer, ReleasePort, StartFrontTls
from balancer.core.command_line import Command, parse_command
from balancer.core.command_policy import is_allowed
from balancer.core.conversation import Conversation, DataPlan, Rules, Steps
from balancer.core.download import retrieve
from balancer.core.events import (
    BackDraining,
    BackLost,
    BackReplied,
    BalancerStops,
    ClientGone,
    ClientIdle,
    ClientNamed,
    ClientSent,
    ClientSentTooLongLine,
    Event,
    FrontDataCame,
)
from balancer.core.front_commands import AFTER_LOGIN, BEFORE_LOGIN, epsv, opts_utf8, pasv
from balancer.core.node_commands import ALIASES, ASKED, log_in_client, pass_on
from balancer.core.patience import CHANGES
from balancer.core.standing import Standing, stand, standing_of
from balancer.core.upload import store

PROCEDURES: Final[Mapping[str, Callable[[Conversation, Command], Steps[None]]]] = {
    **dict.fromkeys(("STOR", "APPE", "STOU"), store),
    **dict.fromkeys(("RETR", "LIST", "NLST", "MLSD"), retrieve),
    **dict.fromkeys(ASKED | CHANGES, pass_on),
    "PASV": lambda talk, command: pasv(talk, command.argument),
    "EPSV": lambda talk, command: epsv(talk, command.argument),
}
"""What only a session that is logged in may say, and what takes more than one step."""

_OPTIONS: Final = ("MLST", "HASH", "UTF8", "UTF-8")


class Session:
    """The state machine of one session."""

    def __init__(self, rules: Rules) -> None:
        self._talk = Conversation(rules)
        self._queue: deque[Command] = deque()
        self._partial = False
        self._procedure: Steps[None] | None = None
        self._leave_soon = False
        self._ended = False

    @property
    def busy(self) -> bool:
        """Whether a command is being served: then the client owes nothing, and is not idle."""
        return self._procedure is not None

    @property
    def transferring(self) -> bool:
        """Whether a transfer is in progress."""
        return self._talk.transfer is not None

    @property
    def logged_in(self) -> bool:
        """Whether the client is logged in."""
        return self._talk.logged_in

    @property
    def site(self) -> str:
        """The site that the client is served."""
        return self._talk.rules.site

    @property
    def account(self) -> str:
        """Who the client said it is; empty before USER."""
        return self._talk.account or ""

    @property
    def standing(self) -> Standing | None:
        """What another balancer needs to go on with it; None while that cannot be."""
        is_quiet = self._procedure is None and not self._queue and not self._partial and not self._ended
        return standing_of(self._talk) if is_quiet else None

    def go_on_from(self, standing: Standing) -> None:
        """Instead of `begin`: be the session that stood at another balancer."""
        stand(self._talk, standing)

    def begin(self) -> list[Action]:
        """Greet the client, under TLS where its first byte is."""
        if self._talk.rules.implicit_tls:
            self._talk.act(StartFrontTls())
        self._talk.say(220, self._talk.rules.greeting)
        return self._take_actions()

    def handle(self, event: Event) -> list[Action]:
        """Take one event; the actions to perform, in order."""
        if self._ended:
            return []
        match event:
            case ClientSent(lines, partial):
                self._heard(lines, partial=partial)
            case ClientSentTooLongLine():
                self._end("line-too-long", 500, "The line is too long.")
            case ClientNamed(host):
                if host in self._talk.rules.hosts and self._talk.account is None:
                    self._talk.enter(host)
            case ClientGone():
                self._end("client-gone")
            case ClientIdle():
                self._end("idle", 421, "You said nothing for too long.")
            case BalancerStops():
                self._end("balancer-stopped", 421, "This balancer stops; please connect anew.")
            case BackDraining():
                self._leave_soon = True
            case _:
                self._of_the_legs(event)
        self._go_on()
        return self._take_actions()

    def _heard(self, lines: tuple[str, ...], *, partial: bool) -> None:
        self._partial = partial
        for line in lines:
            command = parse_command(line)
            if self.transferring and command.verb in {"ABOR", "STAT"} and not command.argument:
                self._in_transfer(command)
            else:
                self._queue.append(command)
        if len(self._queue) > self._talk.rules.queue_lines:
            self._end("too-many-commands", 421, "Too many commands at once.")

    def _of_the_legs(self, event: Event) -> None:
        talk = self._talk
        if isinstance(event, BackLost):
            talk.back_is_lost(event.why)
            self._leave_soon = False  # it has left
        if isinstance(event, FrontDataCame):
            talk.data_came = True
        if talk.transfer is not None:
            talk.transfer.note(event)
        if self._procedure is not None:
            self._step(event)
        elif isinstance(event, BackReplied):
            talk.leave_node(f"the node said {event.reply.lines[-1]} unasked")

    def _in_transfer(self, command: Command) -> None:
        talk = self._talk
        assert talk.transfer is not None, "asked before"
        if command.verb == "STAT":
            talk.say(213, f"{talk.transfer.verb} is in progress.")
            return
        # Leaving the node is the one way to stop it that is sound for every node and moment; the next command
        # sets the session up anew.
        assert self._procedure is not None, "a transfer has a procedure"
        self._procedure.close()
        self._procedure = None
        transfer, node = talk.transfer, talk.node or talk.last_node or ""
        talk.act(DropData())
        talk.act(ReleasePort())
        talk.act(CloseBack(politely=False))
        talk.back_is_lost("the client aborted a transfer")
        talk.act(
            NoteTransfer(
                transfer.verb, transfer.path, node, transfer.size_bytes, 426, transfer.repeats, "the client aborted"
            )
        )
        talk.transfer, talk.data = None, DataPlan.NONE
        talk.say(426, "The transfer was aborted.")
        talk.say(226, "ABOR is done.")

    def _go_on(self) -> None:
        """Serve what waits; leave a draining node as soon as nothing is in progress."""
        while self._procedure is None and not self._ended:
            if self._leave_soon:
                self._leave_soon = False
                self._talk.leave_node("the node is draining", politely=True)
            if not self._queue:
                return
            self._serve(self._queue.popleft())

    def _serve(self, command: Command) -> None:
        talk = self._talk
        talk.begin_command()
        verb = ALIASES.get(command.verb, command.verb)
        argument = command.argument.strip() if verb != command.verb or not command.argument else command.argument
        command = Command(verb, argument)
        if not verb.isalnum() or "\0" in argument or "\r" in argument:
            talk.say(500, "This is no command.")
        elif verb == "AUTH" and (self._queue or self._partial):
            # Bytes behind AUTH were sent in clear and would be taken for protected ones (CVE-2011-1575).
            self._end("injection", 421, "Nothing may follow AUTH before its answer.")
        elif verb in BEFORE_LOGIN and not (talk.logged_in and verb in PROCEDURES):
            BEFORE_LOGIN[verb](talk, argument)
        elif verb == "OPTS" and not talk.logged_in and argument.upper().startswith(("UTF8", "UTF-8")):
            opts_utf8(talk, argument.partition(" ")[2])
        elif verb == "PASS":
            self._start(log_in_client(talk, command))
        elif verb not in AFTER_LOGIN and verb not in PROCEDURES:
            talk.say(500, "This command is not known here.")
        elif not talk.logged_in:
            talk.say(530, "Please log in with USER and PASS.")
        else:
            self._serve_login(command)
        self._notice_end()

    def _serve_login(self, command: Command) -> None:
        """What a session that is logged in may say."""
        talk = self._talk
        if not is_allowed(command.verb, talk.rules.commands.get(talk.means, "all")):
            talk.say(502, f"{talk.account} may not use {command.verb} here.")
        elif command.verb in AFTER_LOGIN:
            AFTER_LOGIN[command.verb](talk, command.argument)
        elif command.verb == "STAT" and not command.argument:
            talk.say(211, "Tripod:", f"logged in as {talk.account}", f"TYPE {talk.type}")
        elif command.verb == "OPTS" and not command.argument.upper().startswith(_OPTIONS):
            talk.say(501, "OPTS knows UTF8, MLST and HASH.")
        else:
            self._start(PROCEDURES[command.verb](talk, command))

    def _start(self, procedure: Steps[None]) -> None:
        self._procedure = procedure
        self._advance(lambda: next(procedure))

    def _step(self, event: Event) -> None:
        procedure = self._procedure
        assert procedure is not None, "asked before"
        self._advance(lambda: procedure.send(event))

    def _advance(self, step: Callable[[], None]) -> None:
        try:
            step()
        except StopIteration:
            self._procedure = None
        self._notice_end()

    def _notice_end(self) -> None:
        self._ended = self._ended or any(isinstance(action, EndSession) for action in self._talk.actions)

    def _end(self, outcome: str, code: int = 0, text: str = "") -> None:
        if self._procedure is not None:
            self._procedure.close()
            self._procedure = None
        self._queue.clear()
        if code:
            self._talk.say(code, text)
        self._talk.act(EndSession(outcome))
        self._ended = True

    def _take_actions(self) -> list[Action]:
        actions, self._talk.actions = self._talk.actions, []
        return actions
