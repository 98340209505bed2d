"""What an ftpnode says at GET /sessions, /bans and /usage, and what the actions of operators answer anywhere."""

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


class Upgraded(msgspec.Struct, frozen=True):
    """The process that serves in the place of the one that was asked."""

    process: int


class AccountUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What stands below an account's home, and the most that may (None: any); entries are files and directories."""

    account: str
    home: str
    used_bytes: int
    used_entries: int
    quota_bytes: int | None = None
    quota_entries: int | None = None

    @property
    def percent(self) -> float | None:
        """How full the fuller of both quotas is; None without one."""
        pairs = ((self.used_bytes, self.quota_bytes), (self.used_entries, self.quota_entries))
        return max((100 * used / most for used, most in pairs if most is not None), default=None)


class AccountUsages(msgspec.Struct, frozen=True):
    """Every account, as one node counts."""

    accounts: tuple[AccountUsage, ...]
