"""A deletion that waits for an operator, as the index remembers it."""

import msgspec

from replicator.core.head import NOTHING, Heads


class HeldDelete(msgspec.Struct, frozen=True, kw_only=True):
    """A deletion that is held back: found on the disk, or told by `peer` in these `heads`, which are not merged yet."""

    path: str
    at_ns: int
    peer: str = ""
    heads: Heads = NOTHING
    is_folder: bool = False
