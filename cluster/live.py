"""What an ftpnode says at GET /sessions and GET /bans, and what the actions of operators answer."""

import msgspec


class LiveSession(msgspec.Struct, frozen=True, kw_only=True):
    """One session: who, from where, since when, and what it does at this moment.

    `command` and `path` (the client's view) are empty while it is idle. `bytes_up` and `bytes_down` count file content
    and listings since the session began; `bytes_per_s` is the mean of the transfer under way.
    """

    id: str
    site: str
    account: str
    client: str
    seconds: float
    command: str = ""
    path: str = ""
    bytes_up: int = 0
    bytes_down: int = 0
    bytes_per_s: float = 0.0


class LiveSessions(msgspec.Struct, frozen=True):
    """Every session of one node."""

    sessions: tuple[LiveSession, ...]


class Ban(msgspec.Struct, frozen=True):
    """A client address that is turned away, and for how long still."""

    address: str
    seconds_left: float


class Bans(msgspec.Struct, frozen=True):
    """Every ban of one node."""

    bans: tuple[Ban, ...]


class Affected(msgspec.Struct, frozen=True):
    """How many sessions or bans an action found and ended."""

    count: int


class Reloaded(msgspec.Struct, frozen=True):
    """The sections of cluster.yaml that differ from what the program worked by; it follows them now."""

    changed: tuple[str, ...]
