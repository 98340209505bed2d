"""What a replicator says at GET /recent: how much it did in the last hour, and what it last warned of."""

import msgspec


class LastHour(msgspec.Struct, frozen=True, kw_only=True):
    """Changes made on this node, and changes of others whose content came to its disk, in the last sixty minutes."""

    made: int = 0
    made_bytes: int = 0
    arrived: int = 0
    arrived_bytes: int = 0


class Warned(msgspec.Struct, frozen=True):
    """One line of the log, of level warning or worse."""

    at: str
    text: str


class Recent(msgspec.Struct, frozen=True, kw_only=True):
    """One node's last hour and last warnings, the newest last."""

    node: str
    last_hour: LastHour = LastHour()
    warnings: tuple[Warned, ...] = ()
