"""Writes a session's conversation down as a test: what comes in, and what must go out, in order and completely.

Every call that lets something come in first asserts that everything that went out before was expected.
"""

from collections import deque

from balancer.core.actions import (
    Action,
    AskRoom,
    CloseBack,
    ExpectReply,
    NoteLogin,
    NoteMove,
    NoteTransfer,
    OpenBack,
    SendBack,
    SendFront,
    SendToken,
    StartFrontTls,
)
from balancer.core.conversation import Rules
from balancer.core.events import BackLost, BackOpened, BackReplied, ClientSent, Event, RoomKnown
from balancer.core.reply import ReplyReader
from balancer.core.session import Session
from balancer.core.upload_room import Room

RULES = Rules(
    site="ingest", greeting="Ready.", client=("192.0.2.7", 5000), local=("192.0.2.10", 21), pasv_address="192.0.2.10"
)

_UNSEEN = (ExpectReply, NoteLogin, NoteMove, NoteTransfer)


class Transcript:
    """A conversation with one session."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.room = Room.HERE  # for uploads
        self.session = Session(rules)
        self.notes: list[Action] = []
        self._out: deque[Action] = deque()
        self._take(self.session.begin())
        if rules.implicit_tls:
            self.does(StartFrontTls())
        self.client_gets(f"220 {rules.greeting}")

    def client(self, *lines: str, partial: bool = False) -> "Transcript":
        return self.happens(ClientSent(tuple(lines), partial))

    def node(self, *lines: str) -> "Transcript":
        (answer,) = ReplyReader().feed("".join(f"{line}\r\n" for line in lines).encode())
        return self.happens(BackReplied(answer))

    def happens(self, event: Event) -> "Transcript":
        self.is_all()
        self._take(self.session.handle(event))
        return self

    def node_opens(self, node: str, *, avoiding: tuple[str, ...] = ()) -> "Transcript":
        """The session wants a node; `node` is reached and greets."""
        action = self._next()
        assert isinstance(action, OpenBack), action
        assert action.avoid == frozenset(avoiding)
        return self.happens(BackOpened(node)).node("220 node")

    def node_dies(self) -> "Transcript":
        return self.happens(BackLost("reset"))

    def node_gets(self, line: str) -> "Transcript":
        action = self._next()
        assert isinstance(action, SendBack), action
        assert action.line == line
        return self

    def node_gets_token(self, account: str) -> "Transcript":
        action = self._next()
        assert isinstance(action, SendToken), action
        assert action.account == account
        return self

    def node_is_left(self, *, politely: bool = False) -> "Transcript":
        return self.does(CloseBack(politely))

    def client_gets(self, *lines: str) -> "Transcript":
        action = self._next()
        assert isinstance(action, SendFront), action
        if len(lines) == 1 and len(lines[0]) == 3:
            assert action.reply.lines[-1][:3] == lines[0], action
        else:
            assert action.reply.lines == lines
        return self

    def does(self, *actions: Action) -> "Transcript":
        for action in actions:
            assert self._next() == action
        return self

    def is_all(self) -> None:
        assert not self._out, f"not expected: {list(self._out)}"

    def logs_in(self, node: str = "node1") -> "Transcript":
        self.client("USER station").client_gets("331").client("PASS secret").node_opens(node)
        self.node_gets("USER station").node("331 go on").node_gets("PASS secret").node("230 in").client_gets("230 in")
        return self

    def replays(self, node: str, *, avoiding: tuple[str, ...] = ()) -> "Transcript":
        self.node_opens(node, avoiding=avoiding).node_gets("USER station").node("331 go on")
        return self.node_gets_token("station").node("230 in")

    def _next(self) -> Action:
        assert self._out, "nothing more went out"
        return self._out.popleft()

    def _take(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, AskRoom):
                self._take(self.session.handle(RoomKnown(self.room)))
            else:
                (self.notes if isinstance(action, _UNSEEN) else self._out).append(action)
