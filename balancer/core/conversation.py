"""What a session remembers while client and node talk through it, and the steps its procedures are made of.

A procedure serves one command of the client. It is a generator: it says what it wants done with `act`, yields to wait
for the next event, and returns when the command is answered. Nothing in here knows how anything is done.
"""

import posixpath
from collections.abc import Generator, Mapping
from enum import Enum
from typing import Final, TypeAlias, TypeVar

import msgspec

from balancer.core.actions import Action, CloseBack, SendFront
from balancer.core.events import (
    BackReplied,
    DownloadEnded,
    Ending,
    Event,
    FrontDataClosed,
    FrontDataFailed,
    FrontDataLost,
    FrontDataOpened,
    FrontTrouble,
    SpoolExceeded,
    UploadEnded,
)
from balancer.core.features import FEATURES
from balancer.core.reply import Reply, reply
from cluster.balancer_settings import CommandSet
from cluster.settings import ANONYMOUS_NAMES, Resumption

T = TypeVar("T")
Steps: TypeAlias = Generator[None, Event, T]


_WITHOUT_DATA: Final = {
    FrontTrouble.NOT_MADE: reply(425, "No data connection."),
    FrontTrouble.TLS_FAILED: reply(522, "TLS handshake failed on the data connection."),
    FrontTrouble.TLS_FOREIGN: reply(522, "The data connection must resume the TLS session of the control connection."),
    FrontTrouble.STALLED: reply(426, "Data connection stalled."),
}
"""As the nodes say it (ftpnode.core.verdict)."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What is fixed for one session: the service's settings and the addresses of the client's connection.

    `implicit_tls`: the client's first byte is TLS. `guest`: which of `accounts` the ANONYMOUS_NAMES mean. `replicated`:
    the nodes have replicators, which know the id of every file's content. `commands`: what an account may say, where
    that is not everything. `features`: what every node can do. `reads_anywhere`: each download may come from another
    node. `mirrors`: the nodes that are read-only; `readers`: the accounts that may change nothing. `hosts`: the rules
    of other sites, by the host names that a client may ask for. `rounds`: how often all nodes are tried anew, `pause_s`
    apart, before a command is given up.
    """

    site: str
    greeting: str
    client: tuple[str, int]
    local: tuple[str, int]
    implicit_tls: bool = False
    pasv_address: str
    host_names: tuple[str, ...] = ()
    accounts: frozenset[str] = frozenset()
    guest: str = ""
    protected_accounts: frozenset[str] = frozenset()
    resumption: Mapping[str, Resumption] = {}
    passive_accounts: frozenset[str] = frozenset()
    login_attempts: int = 3
    reply_timeout_s: float = 30.0
    publish_timeout_s: float = 30.0
    digest_timeout_s: float = 600.0
    rounds: int = 2
    pause_s: float = 1.0
    queue_lines: int = 100
    replicated: bool = True
    commands: Mapping[str, CommandSet] = {}
    features: tuple[str, ...] = FEATURES
    reads_anywhere: bool = False
    mirrors: frozenset[str] = frozenset()
    readers: frozenset[str] = frozenset()
    hosts: "Mapping[str, Rules]" = {}


class DataPlan(Enum):
    """How the client wants the next data connection made, where it names no address of its own."""

    NONE = "none"
    PASSIVE = "passive"


class Transfer:
    """What is known of the transfer in progress."""

    def __init__(self, verb: str, path: str) -> None:
        self.verb = verb
        self.path = path
        self.node = ""
        self.began = False
        self.front_open = False
        self.receiving = False
        self.front_failed: Reply | None = None
        self.front_lost: str | None = None
        self.ending: Ending | None = None
        self.size_bytes = 0
        self.repeatable = True
        self.answer: Reply | None = None
        self.repeats = 0
        self.why = ""

    def note(self, event: Event) -> None:
        """Remember what an event says of the transfer."""
        match event:
            case FrontDataOpened():
                self.front_open = True
            case FrontDataFailed(_, trouble):
                self.front_failed = _WITHOUT_DATA[trouble]
            case FrontDataLost(why):
                self.front_lost = why
            case UploadEnded(ending, size_bytes) | DownloadEnded(ending, size_bytes):
                self.ending, self.size_bytes = ending, size_bytes
            case FrontDataClosed(delivered_bytes):
                self.size_bytes = delivered_bytes
            case SpoolExceeded():
                self.repeatable = False
            case BackReplied(answer):
                self.answer = answer
            case _:
                pass


class Conversation:
    """One session's memory. The upper half is what a replay sets up on another node."""

    def __init__(self, rules: Rules) -> None:
        self.rules = self._first_rules = rules
        self.host = ""
        self.actions: list[Action] = []

        self.account: str | None = None
        self.logged_in = False
        self.tls = rules.implicit_tls
        self.type = "A"
        self.folder: str | None = None
        self.rename_from: str | None = None
        self.mlst_facts: str | None = None
        self.hash_name: str | None = None

        self.rest_bytes = 0
        self.told_size: tuple[str, str] | None = None  # of which path SIZE has told what, when it last told something
        self.buffer_size_given = self.protected = rules.implicit_tls
        self.data: DataPlan | tuple[str, int] = DataPlan.NONE
        self.data_came = False
        self.epsv_only = False
        self.failed_logins = 0
        self.transfer: Transfer | None = None

        self.node: str | None = None
        self.node_type: str | None = None
        self.node_facts: str | None = None
        self.last_node: str | None = None
        self.lost_why = ""
        self.full = False
        self.reads = False
        self.lost: set[str] = set()
        self.refused: set[str] = set()
        self.rounds_left = rules.rounds

    @property
    def means(self) -> str:
        """The account that the client's user name means; empty before USER."""
        name = self.account or ""
        is_guest = name not in self.rules.accounts and name.lower() in ANONYMOUS_NAMES
        return self.rules.guest if is_guest else name

    @property
    def may_read_only(self) -> bool:
        """Whether a read-only node will do: for a download, or for an account that can change nothing."""
        return self.reads or self.means in self.rules.readers

    @property
    def resumption(self) -> Resumption:
        """What the account asks of TLS on data connections."""
        return self.rules.resumption.get(self.means, Resumption.OFF)

    def enter(self, host: str) -> None:
        """Serve the site that stands behind a host name, or by an empty one the service's own."""
        self.host = host
        self.rules = self._first_rules.hosts[host] if host else self._first_rules

    def act(self, action: Action) -> None:
        """Want something done."""
        self.actions.append(action)

    def tell(self, answer: Reply) -> None:
        """Answer the client."""
        self.act(SendFront(answer))

    def say(self, code: int, text: str, *between: str) -> None:
        """Answer the client in our own words."""
        self.tell(reply(code, text, *between))

    def begin_command(self) -> None:
        """Forget what the last command learnt about nodes."""
        self.lost.clear()
        self.refused.clear()
        self.rounds_left = self.rules.rounds

    def back_is_lost(self, why: str) -> None:
        """The back leg is gone."""
        if self.node is not None:
            self.lost.add(self.node)
            self.last_node = self.node
        self.node = self.node_type = self.node_facts = None
        self.lost_why = why

    def leave_node(self, why: str, *, politely: bool = False) -> None:
        """Close the back leg from this side, where there is one; the next step that needs a node takes another."""
        if self.node is not None:
            self.act(CloseBack(politely))
            self.back_is_lost(why)

    def refuse_node(self, why: str) -> None:
        """Leave a node that answered, and cannot do it: it is not asked again for this command."""
        if self.node is not None:
            self.refused.add(self.node)
            self.leave_node(why)

    def absolute(self, path: str) -> str:
        """The path as the client means it, from the root, as far as we know its folder."""
        return posixpath.normpath(posixpath.join(self.folder or "/", path))

    def take_rest(self) -> int:
        """The restart offset for this transfer; it holds for one."""
        offset, self.rest_bytes = self.rest_bytes, 0
        return offset
