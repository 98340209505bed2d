"""Decides about sessions whose bytes are passed through unread: whose a data connection is, and the last word."""

from collections.abc import Iterable
from enum import Enum
from typing import Final

import msgspec

MOST_DATA: Final = 16
"""Data connections of one session at once; clients have one, and a moment longer the one before."""


class BothEnded(Enum):
    """How the two ways of a relayed connection came to their end."""

    CLIENT_FIRST = "the client finished first, then the node"
    NODE_FIRST = "the node finished first, then the client"
    CLIENT_CUT = "the client cut it"
    NODE_CUT = "the node cut it"
    STILL = "nothing came from either for too long"
    LEFT = "the balancer cut it"


class Passing(msgspec.Struct, frozen=True):
    """A session as a data connection sees it: who and where it is, what it carries, when it last said something."""

    id: str
    client: str
    node: str
    data_connections: int
    spoke_s: float


def whose(sessions: Iterable[Passing], client: str, node: str) -> str | None:
    """The session (its id) of a data connection from `client` to a port of `node`; None: it is a stranger's.

    Which one of several of one client it is cannot be read; the likeliest is one that carries nothing else and spoke
    last, for it has just said PASV. None also where each carries all that it may.
    """
    its = [one for one in sessions if (one.client, one.node) == (client, node) and one.data_connections < MOST_DATA]
    return min(its, key=lambda one: (one.data_connections, -one.spoke_s)).id if its else None


def outcome(ended: BothEnded) -> str:
    """The word for the access log of a session that ended so."""
    match ended:
        case BothEnded.NODE_CUT:
            return "node-lost"
        case BothEnded.NODE_FIRST:
            return "closed-by-node"
        case _:
            return "client-gone"
