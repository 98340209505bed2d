"""What can happen to a session: facts from its legs, as frozen values. The shell makes them, the session takes them."""

from enum import Enum

import msgspec

from balancer.core.reply import Reply
from balancer.core.upload_room import Room


class Ending(Enum):
    """How a stream of data ended."""

    FINISHED = "finished"
    """With FIN, or under TLS with close_notify: whole."""
    CUT = "cut"
    """With RST, without close_notify, or not at all for too long: not whole."""
    UNSPOOLED = "unspooled"
    """By us: the disk of the spool takes no more. Not whole."""


class ClientSent(msgspec.Struct, frozen=True):
    """Whole lines came from the client; `partial`: bytes of an unfinished line came with them."""

    lines: tuple[str, ...]
    partial: bool = False


class ClientSentTooLongLine(msgspec.Struct, frozen=True):
    """The client's line is above the limit."""


class ClientNamed(msgspec.Struct, frozen=True):
    """The client's TLS handshake names a host (SNI, RFC 6066 section 3), in small letters."""

    host: str


class ClientGone(msgspec.Struct, frozen=True):
    """The client's control connection is over."""

    why: str


class ClientIdle(msgspec.Struct, frozen=True):
    """The client said nothing for as long as it may."""


class BalancerStops(msgspec.Struct, frozen=True):
    """This balancer serves nobody any more."""


class BackOpened(msgspec.Struct, frozen=True):
    """A control connection to `node` stands and the PROXY header is on it."""

    node: str


class BackFailed(msgspec.Struct, frozen=True):
    """No control connection: `node` could not be reached, or (None) there is none left to try, or all are `full`."""

    node: str | None
    why: str
    full: bool = False


class NodeAdvised(msgspec.Struct, frozen=True):
    """`node` would serve a download best now; None: none would."""

    node: str | None


class RoomKnown(msgspec.Struct, frozen=True):
    """Where an upload may go now."""

    room: Room


class BackReplied(msgspec.Struct, frozen=True):
    """The node answered."""

    reply: Reply


class BackLost(msgspec.Struct, frozen=True):
    """The control connection to the node is over: closed, reset, silent for too long, or the node is down."""

    why: str


class BackDraining(msgspec.Struct, frozen=True):
    """The node wants to be left."""


class PauseOver(msgspec.Struct, frozen=True):
    """The pause that was asked for is over."""


class PortLeased(msgspec.Struct, frozen=True):
    """A passive port is lent to this session."""

    port: int


class NoPortFree(msgspec.Struct, frozen=True):
    """All passive ports are lent to this client's address."""


class BackDataOpened(msgspec.Struct, frozen=True):
    """The data connection to the node stands."""


class BackDataFailed(msgspec.Struct, frozen=True):
    """The data connection to the node could not be made."""

    why: str


class BackDataLost(msgspec.Struct, frozen=True):
    """The node does not take the upload's bytes any more."""

    why: str


class FrontDataOpened(msgspec.Struct, frozen=True):
    """The data connection with the client stands, its TLS too where it has one."""


class FrontDataCame(msgspec.Struct, frozen=True):
    """The client has connected to the port that is lent to this session."""


class FrontTrouble(Enum):
    """Why the data connection with the client cannot be used."""

    NOT_MADE = "not made"
    TLS_FAILED = "its TLS failed"
    TLS_FOREIGN = "its TLS is not of the control connection's client, as far as TLS shows that"
    STALLED = "nothing came of its TLS for too long"


class FrontDataFailed(msgspec.Struct, frozen=True):
    """The data connection with the client cannot be used."""

    why: str
    trouble: FrontTrouble = FrontTrouble.NOT_MADE


class FrontDataLost(msgspec.Struct, frozen=True):
    """The client does not take the download's bytes any more."""

    why: str


class FrontDataClosed(msgspec.Struct, frozen=True):
    """The client's data connection was closed in order, after every byte: `delivered_bytes` in all."""

    delivered_bytes: int


class UploadEnded(msgspec.Struct, frozen=True):
    """The client's upload is over; all its bytes are in the spool, or went through."""

    ending: Ending
    size_bytes: int


class SpoolExceeded(msgspec.Struct, frozen=True):
    """The upload outgrew the spool: it goes on, but cannot be repeated."""


class DownloadEnded(msgspec.Struct, frozen=True):
    """The node's data is over; `delivered_bytes` went to the client since the first attempt began."""

    ending: Ending
    delivered_bytes: int


Event = (
    ClientSent
    | ClientSentTooLongLine
    | ClientNamed
    | ClientGone
    | ClientIdle
    | BalancerStops
    | BackOpened
    | BackFailed
    | NodeAdvised
    | RoomKnown
    | BackReplied
    | BackLost
    | BackDraining
    | PauseOver
    | PortLeased
    | NoPortFree
    | BackDataOpened
    | BackDataFailed
    | BackDataLost
    | FrontDataOpened
    | FrontDataCame
    | FrontDataFailed
    | FrontDataLost
    | FrontDataClosed
    | UploadEnded
    | SpoolExceeded
    | DownloadEnded
)
