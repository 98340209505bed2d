"""What the supervisor orders a worker to do, and what the worker reports: frames of MessagePack on a stream.

Every order but `Begin`, the first one, has a number, which its report repeats. A worker that finds the stream closed
finishes as on SIGTERM.
"""

from typing import Final

import msgspec

from cluster.live import LiveSession
from cluster.log import LogFormat
from cluster.path_on_wire import path_as_text, path_from_text
from cluster.place import Place
from cluster.problem import Problem
from cluster.settings import Settings
from cluster.sum_metrics import Family


class Begin(msgspec.Struct, frozen=True, tag=True):
    """Serve node `node` by these settings; `ports` are inherited descriptors of listening sockets."""

    settings: Settings
    node: str
    place: Place
    ports: dict[str, int]
    log_format: LogFormat


class Look(msgspec.Struct, frozen=True, tag=True):
    """Report a Looked."""


class ListSessions(msgspec.Struct, frozen=True, tag=True):
    """Report Listed, once or more often."""


class Kick(msgspec.Struct, frozen=True, tag=True):
    """End the sessions of this id and report a Counted."""

    session: str


class Consider(msgspec.Struct, frozen=True, tag=True):
    """Make ready for these settings and report a Considered."""

    settings: Settings


class Adopt(msgspec.Struct, frozen=True, tag=True):
    """Follow the settings that were considered last, and report Done."""


class ReopenLogs(msgspec.Struct, frozen=True, tag=True):
    """Go on in fresh access logs, and report Done."""


Order = Begin | Look | ListSessions | Kick | Consider | Adopt | ReopenLogs


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The worker serves; reported unasked, once."""


class Looked(msgspec.Struct, frozen=True, tag=True):
    """How the worker is."""

    transfers: int
    metrics: tuple[Family, ...]


class Listed(msgspec.Struct, frozen=True, tag=True):
    """Some of its sessions; `is_last` with the last ones."""

    sessions: tuple[LiveSession, ...]
    is_last: bool


class Counted(msgspec.Struct, frozen=True, tag=True):
    """How many sessions there were."""

    count: int


class Considered(msgspec.Struct, frozen=True, tag=True):
    """Why the settings cannot be followed; nothing, when they can."""

    problems: tuple[Problem, ...]


class Done(msgspec.Struct, frozen=True, tag=True):
    """It is done."""


Report = Ready | Looked | Listed | Counted | Considered | Done


class NumberedOrder(msgspec.Struct, frozen=True):
    """An order on the wire."""

    number: int
    order: Order


class NumberedReport(msgspec.Struct, frozen=True):
    """A report on the wire."""

    number: int
    report: Report


encode: Final = msgspec.msgpack.Encoder(enc_hook=path_as_text).encode
"""The payload of a frame."""

decode_order: Final = msgspec.msgpack.Decoder(NumberedOrder, dec_hook=path_from_text).decode
"""An order from a frame's payload; msgspec.MsgspecError when it is none."""

decode_report: Final = msgspec.msgpack.Decoder(NumberedReport).decode
"""A report from a frame's payload; msgspec.MsgspecError when it is none."""
