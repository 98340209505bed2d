"""Performs what a session wants done: the loop between its state machine and its legs."""

import asyncio
import secrets
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from typing import assert_never

from OpenSSL import SSL

from balancer.access_log import AccessLog
from balancer.arrival import Arrival
from balancer.back_connection import BackLeg, open_back_leg
from balancer.choosing import Asker, choose, look_for_room
from balancer.control_leg import ControlLeg
from balancer.core import actions as a
from balancer.core import events as e
from balancer.core.back_source import back_source
from balancer.core.choose_node import Wish
from balancer.core.command_line import CommandLineReader, LineTooLongError
from balancer.core.persistence import persistence_key
from balancer.core.reply import encode
from balancer.core.routes import pool_of
from balancer.core.session import Session
from balancer.data_transfers import DataTransfers
from balancer.moved_session import MovedSession
from balancer.session_rules import session_rules
from balancer.surroundings import Surroundings
from balancer.tls_pump import TlsPump
from cluster.balancer_settings import Service
from cluster.clock import monotonic_s, now_s
from cluster.log import logger
from cluster.proxy_header import ProxyHeader
from cluster.proxy_header import encode as encode_header
from cluster.session_token import make_token
from cluster.signed_header import sign

log = logger(__name__)


class SessionLegs:
    """One client's session with all its legs; `moved` where it stood at another balancer before.

    `on_end` hears that it is over, `on_rest` that it has come to rest and may be able to `leave`.
    """

    def __init__(
        self,
        around: Surroundings,
        service_name: str,
        service: Service,
        arrival: Arrival,
        *,
        moved: MovedSession | None = None,
        on_end: Callable[[], None],
        on_rest: Callable[[], None],
    ) -> None:
        client, local, implicit_tls = arrival
        self.id = moved.id if moved else secrets.token_hex(6)
        self.front = ControlLeg(self._front_received, lambda why: self._take(e.ClientGone(why)))
        self._around = around
        self._service_name = service_name
        self._service = service
        self._client = client
        self._on_end = on_end
        self._on_rest = on_rest
        self._moved = moved
        self._local = local
        self._session = Session(session_rules(around, service, client, local, implicit_tls=implicit_tls))
        self._data = DataTransfers(around, client[0], local[0], self._take, self._spawn)
        self._reader = CommandLineReader()
        self._events: deque[e.Event] = deque()
        self._working = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._back: BackLeg | None = None
        self._began_s = self._heard_s = monotonic_s()
        self._timer: asyncio.TimerHandle | None = None
        self._books = AccessLog(
            around.metrics,
            session=self.id,
            service=service_name,
            client=client[0],
            moves=moved.moves if moved else 0,
        )
        self._ended = False

    def begin(self) -> None:
        """Greet the client, or go on where the session stood."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._around.settings.limits.login_timeout_s, self._login_is_late)
        if self._moved is None:
            self._perform_all(self._session.begin())
            return
        self._began_s = self._moved.began_s
        self._session.go_on_from(self._moved.standing)
        if self._session.logged_in:
            self._watch_idleness()

    def leave(self) -> tuple[MovedSession, socket.socket] | None:
        """End here without a word to the client or `on_end`, for another balancer to go on; None where it cannot be."""
        standing = self._session.standing
        if self._working or self._ended or self._reader.partial or standing is None:
            return None
        sock = self.front.copy_of_socket()
        if sock is None:
            return None
        moved = MovedSession(
            id=self.id,
            service=self._service_name,
            client=self._client,
            local=self._local,
            began_s=self._began_s,
            moves=self._books.moves,
            standing=standing,
        )
        self.front.abort()
        self._close_books("handed-over")
        return moved, sock

    @property
    def transferring(self) -> bool:
        """Whether a transfer is in progress."""
        return self._session.transferring

    @property
    def node(self) -> str:
        """Where its back leg stands; empty while there is none."""
        return self._back.node if self._back is not None else ""

    def node_is_down(self, why: str) -> None:
        """The node of this session is dead."""
        if self._back is not None:
            self._back.close(politely=False)
            self._back_lost(why)

    def node_drains(self) -> None:
        """The node of this session wants to be left."""
        self._take(e.BackDraining())

    def shut(self) -> None:
        """The balancer stops: tell the client, and end the session."""
        self._take(e.BalancerStops())

    def _front_received(self, data: bytes) -> None:
        try:
            lines = self._reader.feed(data)
        except LineTooLongError:
            self._take(e.ClientSentTooLongLine())
            return
        if lines:  # bytes alone, one now and then, keep no session open
            self._heard_s = monotonic_s()
        if lines or self._reader.partial:
            self._take(e.ClientSent(tuple(lines), self._reader.partial))

    def _named(self, connection: SSL.Connection) -> None:
        """The client's TLS handshake names the host it wants (SNI)."""
        name = connection.get_servername()
        if name:
            self._take(e.ClientNamed(name.decode("ascii", "replace").lower()))

    def _take(self, event: e.Event) -> None:
        """Let the session decide, and perform; an event that comes while one is served waits for its turn."""
        self._events.append(event)
        if self._working:
            return
        self._working = True
        try:
            while self._events and not self._ended:
                self._perform_all(self._session.handle(self._events.popleft()))
        finally:
            self._working = False
        self._on_rest()

    def _perform_all(self, actions: list[a.Action]) -> None:
        for action in actions:
            self._perform(action)

    def _perform(self, action: a.Action) -> None:  # noqa: C901, PLR0912 - one case an action
        match action:
            case a.SendFront(answer):
                self.front.send(encode(answer))
            case a.StartFrontTls():
                context = self._around.tls.session_context(self._service.sites)
                context.set_tlsext_servername_callback(self._named)
                self.front.start_tls(TlsPump(context))
                self._data.speak_tls(context, lambda: self.front.client_certificate)
            case a.EndSession(outcome):
                self._end(outcome)
            case a.OpenBack() as wanted:
                self._spawn(self._tasks, self._open_back(wanted))
            case a.AdviseNode():
                wish = self._wish(a.OpenBack(frozenset(), tls=False, reads=True, mirrors=True))
                choice = self._around.nodes.advise(wish)
                self._take(e.NodeAdvised(choice.node))
            case a.AskRoom():
                self._tell_room()
            case a.SendBack(line, patience_s):
                self._send_back(line, patience_s)
            case a.SendToken(account, patience_s):
                token = make_token(self._around.token_key, self._session.site, account, now_s(), secrets.token_hex(8))
                self._send_back(f"PASS {token}", patience_s)
            case a.ExpectReply(patience_s):
                if self._back is not None:
                    self._back.expect_reply(patience_s)
            case a.CloseBack(politely):
                self._close_back(politely=politely)
            case a.Pause(seconds):
                asyncio.get_running_loop().call_later(seconds, self._take, e.PauseOver())
            case a.NoteLogin() | a.NoteMove() | a.NoteTransfer():
                self._note(action)
            case (
                a.LeasePort() | a.ReleasePort() | a.ConnectBackData() | a.DropBackData() | a.OpenFrontData()
                | a.ReceiveUpload() | a.FeedNode() | a.RelayDownload() | a.StopDownload() | a.FinishFrontData()
                | a.DropData()
            ):  # fmt: skip
                self._data.perform(action, self._back)
            case _:
                assert_never(action)

    async def _open_back(self, wanted: a.OpenBack) -> None:
        settings = self._around.settings
        nodes = self._around.nodes
        choice = await choose(self._around, self._wish(wanted), self._asker())
        name = choice.node
        if name is None:
            why = "every node is full" if choice.full else "no node is left"
            self._take(e.BackFailed(None, why, full=choice.full))
            return
        back = BackLeg(name, lambda answer: self._take(e.BackReplied(answer)), self._back_lost)
        target = settings.nodes[name].address, settings.sites[self._session.site].port
        source = back_source(settings.balancer, self._client[0], target[0], client_port=self._client[1])
        header = b"" if source.is_foreign else self._header(tls=wanted.tls)
        node_tls, timeout_s = self._around.node_tls, settings.balancer.connect_timeout_s
        pump = node_tls.pump(name) if node_tls.is_on else None
        # It counts from now on, so that of a hundred clients in one moment not all choose the same node.
        nodes.moves_in(name, self)
        try:
            await open_back_leg(back, target, source, header, pump, timeout_s)
        except OSError as error:
            nodes.moves_out(name, self)
            why = f"cannot connect: {error.strerror or 'no answer'}"
            nodes.connection_failed(name, why)
            self._take(e.BackFailed(name, why))
            return
        except asyncio.CancelledError:
            nodes.moves_out(name, self)
            raise
        self._back = back
        self._take(e.BackOpened(name))

    def _header(self, *, tls: bool) -> bytes:
        """What tells a node who the client is."""
        header = ProxyHeader(
            source=self._client,
            destination=self._local,
            tls=tls,
            certificate=self.front.client_certificate,
            session=self.id,
            leg_tls=self._around.node_tls.is_on,
        )
        return sign(encode_header(header), self._around.token_key, now_s())

    def _tell_room(self) -> None:
        wish = self._wish(a.OpenBack(frozenset(), tls=False))
        self._take(e.RoomKnown(look_for_room(self._around, wish, self.node, self._asker())))

    def _asker(self) -> Asker:
        return Asker(self.id, self._service_name, self._client[0], self._session.account)

    def _wish(self, wanted: a.OpenBack) -> Wish:
        service, account = self._service, self._session.account
        return Wish(
            avoid=wanted.avoid,
            key=None if wanted.reads else persistence_key(service, self._client[0], account),
            scheduler=service.scheduler,
            pool=pool_of(service, self._around.settings.balancer.pools, account, self._client[0]),
            moves=self._session.logged_in,
            reads=wanted.reads,
            mirrors=wanted.mirrors,
        )

    def _send_back(self, line: str, patience_s: float) -> None:
        if self._back is not None:
            self._back.send(line, patience_s)

    def _back_lost(self, why: str) -> None:
        if self._back is not None:
            self._around.nodes.lost_a_session(self._back.node)
        self._forget_back()
        self._take(e.BackLost(why))

    def _close_back(self, *, politely: bool) -> None:
        if self._back is not None:
            self._back.close(politely=politely)
            self._forget_back()

    def _forget_back(self) -> None:
        if self._back is not None:
            self._around.nodes.moves_out(self._back.node, self)
            self._back = None

    def _note(self, note: a.NoteLogin | a.NoteMove | a.NoteTransfer) -> None:
        match note:
            case a.NoteLogin():
                self._books.login(note)
                if note.reply < 300:
                    self._watch_idleness()
            case a.NoteMove():
                self._books.moved(note)
            case a.NoteTransfer():
                self._around.nodes.carried(note.node, note.size_bytes)
                data, account = self._data, self._session.account
                self._books.transfer(note, account=account, seconds=data.seconds, data_tls=data.tls)
            case _:
                assert_never(note)

    def _login_is_late(self) -> None:
        if not self._session.logged_in:
            self._take(e.ClientIdle())

    def _watch_idleness(self) -> None:
        """Look again when the client could be idle for too long; time in which it waits for us does not count."""
        if self._timer is not None:
            self._timer.cancel()
        if self._ended:
            return
        if self._session.busy:
            self._heard_s = monotonic_s()
        limit_s = self._around.settings.limits.idle_timeout_s
        left_s = self._heard_s + limit_s - monotonic_s()
        if left_s <= 0:
            self._take(e.ClientIdle())
        else:
            self._timer = asyncio.get_running_loop().call_later(min(left_s, limit_s) + 0.01, self._watch_idleness)

    def _spawn(self, tasks: set[asyncio.Task[None]], work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(self._judge_task)

    def _judge_task(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            # Our bug; this one session ends, the others go on.
            log.error("internal error", session=self.id, exc_info=error)
            self._end("internal-error")

    def _end(self, outcome: str) -> None:
        if not self._ended:
            self._close_books(outcome)
            self._on_end()

    def _close_books(self, outcome: str) -> None:
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        self._data.end()
        self._close_back(politely=outcome in {"quit", "handed-over"})
        self.front.close()
        seconds = monotonic_s() - self._began_s
        self._books.ended(outcome, account=self._session.account, seconds=seconds, tls=self.front.speaks_tls)
