"""What the head and its workers say to each other. What has a number is answered under the same number."""

from typing import Final

import msgspec

from balancer.arrival import Arrival, DataArrival
from balancer.choices import MadeChoice
from balancer.core.choose_node import Choice, Wish
from balancer.core.node_health import ProbeFailed, ProbePassed
from balancer.floor import Load
from balancer.moved_session import MovedSession
from balancer.nodes import NodeKnowledge
from cluster.log import LogFormat
from cluster.path_on_wire import path_as_text, path_from_text
from cluster.place import Place
from cluster.settings import Settings
from cluster.sum_metrics import Family

# --- the head says


class Begin(msgspec.Struct, frozen=True, tag=True):
    """Be this worker, by these `settings` (packed); the first message, answered by Serves."""

    settings: bytes
    place: Place
    log_format: LogFormat
    knowledge: tuple[NodeKnowledge, ...]


class Hold(msgspec.Struct, frozen=True, tag=True):
    """The sockets with this listen on these passive ports, which are yours."""

    ports: tuple[int, ...]


class Use(msgspec.Struct, frozen=True, tag=True):
    """Lend these of your passive ports alone."""

    ports: tuple[int, ...]


class KeepFew(msgspec.Struct, frozen=True, tag=True):
    """Lend no more than what sessions that come to their end need: answered by Kept."""

    number: int


class Welcome(msgspec.Struct, frozen=True, tag=True):
    """Serve the client whose socket is with this."""

    service: str
    arrival: Arrival


class WelcomeData(msgspec.Struct, frozen=True, tag=True):
    """The socket with this came to a node's port; pass it through for a session of yours, or say Stray."""

    arrival: DataArrival


class GoOn(msgspec.Struct, frozen=True, tag=True):
    """Go on with the session whose socket is with this."""

    moved: MovedSession


class SendAway(msgspec.Struct, frozen=True, tag=True):
    """Give away every session as soon as it is at rest, by Given; or (not `now`) let all stay again."""

    now: bool


class Seen(msgspec.Struct, frozen=True, tag=True):
    """What a probe found."""

    node: str
    outcome: ProbePassed | ProbeFailed


class TakeOut(msgspec.Struct, frozen=True, tag=True):
    """Another worker could not reach this node."""

    node: str
    why: str


class Follow(msgspec.Struct, frozen=True, tag=True):
    """Use the certificates of these settings (packed)."""

    settings: bytes


class Look(msgspec.Struct, frozen=True, tag=True):
    """How are you? Answered by Looked."""

    number: int


class Chosen(msgspec.Struct, frozen=True, tag=True):
    """The choice that was asked for; the session counts as on that node until Left."""

    number: int
    choice: Choice


class Turn(msgspec.Struct, frozen=True, tag=True):
    """Whether there is room on a node now."""

    number: int
    has_room: bool


ToWorker = (
    Begin | Hold | Use | KeepFew | Welcome | WelcomeData | GoOn | SendAway | Seen | TakeOut | Follow | Look
    | Chosen | Turn
)  # fmt: skip

# --- a worker says


class Serves(msgspec.Struct, frozen=True, tag=True):
    """It serves."""


class Ended(msgspec.Struct, frozen=True, tag=True):
    """A session has ended."""

    service: str
    client: str


class Given(msgspec.Struct, frozen=True, tag=True):
    """A session that goes to another balancer; its socket is with this. It has ended here."""

    moved: MovedSession


class Stray(msgspec.Struct, frozen=True, tag=True):
    """No session here can be meant by the data connection that is with this."""

    arrival: DataArrival


class Choose(msgspec.Struct, frozen=True, tag=True):
    """Which node? Answered by Chosen."""

    number: int
    wish: Wish


class Wait(msgspec.Struct, frozen=True, tag=True):
    """Is there room within that time? Answered by Turn."""

    number: int
    seconds: float


class Left(msgspec.Struct, frozen=True, tag=True):
    """A session has left a node."""

    node: str


class Lost(msgspec.Struct, frozen=True, tag=True):
    """A session had to leave a node."""

    node: str


class Unreachable(msgspec.Struct, frozen=True, tag=True):
    """A session could not reach a node."""

    node: str
    why: str


class Carried(msgspec.Struct, frozen=True, tag=True):
    """A transfer is over."""

    node: str
    size_bytes: int


class Made(msgspec.Struct, frozen=True, tag=True):
    """A choice with its reasons, for operators."""

    choice: MadeChoice


class Looked(msgspec.Struct, frozen=True, tag=True):
    """How the worker is."""

    number: int
    load: Load
    metrics: tuple[Family, ...]


class Kept(msgspec.Struct, frozen=True, tag=True):
    """The passive ports that it still lends."""

    number: int
    ports: tuple[int, ...]


ToHead = Serves | Ended | Given | Stray | Choose | Wait | Left | Lost | Unreachable | Carried | Made | Looked | Kept

decode_to_worker: Final = msgspec.msgpack.Decoder(ToWorker).decode
decode_to_head: Final = msgspec.msgpack.Decoder(ToHead).decode


pack_settings: Final = msgspec.msgpack.Encoder(enc_hook=path_as_text).encode
"""Settings as a message carries them."""

unpack_settings: Final = msgspec.msgpack.Decoder(Settings, dec_hook=path_from_text).decode
"""Settings that came with a message."""
