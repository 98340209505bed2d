"""Decides what every member is known to have heard of, where not every two nodes have a link: a matrix clock.

A row says of one replica up to which sequence of each other one its index covers all that the other's did. Who has
merged all that a peer's index had when the peer's row was taken covers what that row covers; so rows grow along any
way of links. Rows only grow, and the union of two accounts of a row is true: they may be told on by anybody, late and
in any order. (Wuu and Bernstein 1984: when everybody is known to know of something, its record can be forgotten.)
"""

from collections.abc import Mapping
from typing import Final

from replicator.core.head import Vector, joined

MAX_ROWS: Final = 256
"""So many replicas are remembered, and so many in each row; members and their incarnations are far fewer."""

Rows = Mapping[str, Vector]
"""By replica (`node:incarnation`) what its index covers. Never changed."""


def joined_rows(one: Rows, other: Rows) -> Rows:
    """What both accounts say together; `one` itself when the other says nothing new."""
    rows = dict(one)
    for replica, vector in other.items():
        known = rows.get(replica)
        both = vector if known is None else joined((known, vector))
        if both != known and len(both) <= MAX_ROWS and (known is not None or len(rows) < MAX_ROWS):
            rows[replica] = both
    return rows if rows != one else one


def heard_upto(rows: Rows, node: str, replica: str) -> int:
    """Up to which sequence of `replica` the member `node` is known to have heard of everything.

    In any of its incarnations: an index that began anew has nothing that what was deleted could come back from.
    """
    return max((row.get(replica, 0) for name, row in rows.items() if name.partition(":")[0] == node), default=0)
