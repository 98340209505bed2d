"""What a worker asks of the node's tally, or tells it: one message each, as MessagePack.

At most one answer is owed at a time, so a message needs no number. `Leave` and `LogOut` have no answer.
"""

from typing import Final

import msgspec

from cluster.settings import AccountLimits, Limits
from ftpnode.paces import Direction

MAX_MESSAGE_BYTES: Final = 64 << 10


class _Question(msgspec.Struct, frozen=True, tag=True, array_like=True):
    pass


class Admit(_Question, frozen=True):
    """May this session come in? Answered by the reply that turns it away, or None."""

    session: int
    address: str
    limits: Limits
    now_s: float


class LogIn(_Question, frozen=True):
    """May it be this account's? Answered by the reply that refuses it, or None."""

    session: int
    account: str
    limits: AccountLimits


class LogOut(_Question, frozen=True):
    """It is nobody's again."""

    session: int


class Leave(_Question, frozen=True):
    """It has ended."""

    session: int


class IsBanned(_Question, frozen=True):
    """Is this client address to be turned away? Answered by a bool."""

    address: str
    now_s: float


class Failed(_Question, frozen=True):
    """A wrong password came from there; does that ban it? Answered by a bool."""

    address: str
    limits: Limits
    exempt: tuple[str, ...]
    now_s: float


class Moved(_Question, frozen=True):
    """So many bytes were moved; for how long does the transfer pause? Answered by seconds."""

    account: str
    direction: Direction
    bytes_per_s: int
    moved_bytes: int
    now_s: float


Question = Admit | LogIn | LogOut | Leave | IsBanned | Failed | Moved
