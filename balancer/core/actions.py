"""What a session wants done, as frozen values. Each names the events that answer it."""

import msgspec

from balancer.core.reply import Reply
from cluster.settings import Resumption


class SendFront(msgspec.Struct, frozen=True):
    """Send a reply to the client."""

    reply: Reply


class StartFrontTls(msgspec.Struct, frozen=True):
    """From here on the client's control connection speaks TLS. ClientGone when the handshake fails."""


class EndSession(msgspec.Struct, frozen=True):
    """Send what is unsent, then close every leg. `outcome` is one word for the access log."""

    outcome: str


class OpenBack(msgspec.Struct, frozen=True):
    """Choose a node that is not in `avoid` and connect: BackOpened or BackFailed.

    `reads`: for a download. `mirrors`: a read-only node will do.
    """

    avoid: frozenset[str]
    tls: bool
    reads: bool = False
    mirrors: bool = False


class AdviseNode(msgspec.Struct, frozen=True):
    """Say which node would serve a download best: NodeAdvised."""


class AskRoom(msgspec.Struct, frozen=True):
    """Say where there is room for an upload: RoomKnown."""


class SendBack(msgspec.Struct, frozen=True):
    """Send a line to the node: BackReplied, or BackLost when nothing comes for `patience_s`."""

    line: str
    patience_s: float


class SendToken(msgspec.Struct, frozen=True):
    """Send PASS with a fresh session token for `account`: answered as SendBack is."""

    account: str
    patience_s: float


class ExpectReply(msgspec.Struct, frozen=True):
    """From now on the node has `patience_s` for its next reply, else BackLost."""

    patience_s: float


class CloseBack(msgspec.Struct, frozen=True):
    """Close the back leg; no event of it comes any more. `politely`: with QUIT."""

    politely: bool


class Pause(msgspec.Struct, frozen=True):
    """PauseOver after `seconds`."""

    seconds: float


class LeasePort(msgspec.Struct, frozen=True):
    """Lend this session a passive port in place of the one it has: PortLeased or NoPortFree."""


class ReleasePort(msgspec.Struct, frozen=True):
    """Give back the passive port, with the connection that may have come to it."""


class ConnectBackData(msgspec.Struct, frozen=True):
    """Connect to `port` of the node: BackDataOpened or BackDataFailed."""

    port: int


class DropBackData(msgspec.Struct, frozen=True):
    """Reset the data connection to the node; no event of it comes any more."""


class OpenFrontData(msgspec.Struct, frozen=True):
    """Connect to the client's `target`, or (None) take the connection on the leased port; then TLS where `protected`.

    `resumption`: whether that TLS has to resume the session of the control connection. FrontDataOpened or
    FrontDataFailed.
    """

    target: tuple[str, int] | None
    protected: bool
    resumption: Resumption = Resumption.OFF


class ReceiveUpload(msgspec.Struct, frozen=True):
    """Take the client's data into the spool until it ends: UploadEnded; SpoolExceeded on the way where it must be."""


class FeedNode(msgspec.Struct, frozen=True):
    """Send the spool to the node from its first byte, as it grows, and end as the client ended: BackDataLost."""


class RelayDownload(msgspec.Struct, frozen=True):
    """Pass the node's data on to the client until it ends: DownloadEnded or FrontDataLost.

    Data of up to `hold_bytes` is held back, and goes out at FinishFrontData; of more, all goes out as it comes.
    """

    hold_bytes: int = 0


class StopDownload(msgspec.Struct, frozen=True):
    """Take no more from this node: DownloadEnded says how much went out."""


class FinishFrontData(msgspec.Struct, frozen=True):
    """Send what is held, then close the client's data connection in order: FrontDataClosed or FrontDataLost."""


class DropData(msgspec.Struct, frozen=True):
    """Reset the node's data connection, close the client's, free the spool; no event of them comes any more."""


class NoteLogin(msgspec.Struct, frozen=True):
    """For the log: `account` is logged in, or (`reply` 530) was refused."""

    account: str
    node: str
    reply: int


class NoteMove(msgspec.Struct, frozen=True):
    """For the log: the session moved to another node."""

    source: str
    target: str
    why: str


class NoteTransfer(msgspec.Struct, frozen=True):
    """For the log: a transfer is over. `repeats`: how often a node was asked again, and why at last."""

    verb: str
    path: str
    node: str
    size_bytes: int
    reply: int
    repeats: int
    why: str


Action = (
    SendFront
    | StartFrontTls
    | EndSession
    | OpenBack
    | AdviseNode
    | AskRoom
    | SendBack
    | SendToken
    | ExpectReply
    | CloseBack
    | Pause
    | LeasePort
    | ReleasePort
    | ConnectBackData
    | DropBackData
    | OpenFrontData
    | ReceiveUpload
    | FeedNode
    | RelayDownload
    | StopDownload
    | FinishFrontData
    | DropData
    | NoteLogin
    | NoteMove
    | NoteTransfer
)
