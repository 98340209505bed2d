"""The tally as a worker knows it: every question goes to the supervisor, which keeps the one of the node."""

from collections.abc import Hashable
from typing import Final

import msgspec
from typing_extensions import override

from cluster.settings import AccountLimits, Limits
from ftpnode.core.login import Candidate
from ftpnode.paces import Direction, rate
from ftpnode.tally import Tally
from ftpnode.trouble import CommandRefusedError
from ftpnode.workers.questions import Admit, Failed, IsBanned, Leave, LogIn, LogOut, Moved
from ftpnode.workers.tally_line import TallyLine, TallyLostError

BUSY: Final = "421 This node cannot count its sessions just now; try again later."
_PAUSE_WHEN_LOST_S: Final = 1.0

_refusals: Final[msgspec.msgpack.Decoder[str | None]] = msgspec.msgpack.Decoder(str | None)
_verdicts: Final[msgspec.msgpack.Decoder[bool]] = msgspec.msgpack.Decoder(bool)
_pauses: Final[msgspec.msgpack.Decoder[float]] = msgspec.msgpack.Decoder(float)


class SharedTally(Tally):
    """A Tally over a line to the supervisor. Sessions are known by numbers of the worker's own."""

    def __init__(self, line: TallyLine) -> None:
        self._line = line

    @override
    def admit(self, session: Hashable, address: str, limits: Limits, now_s: float) -> str | None:
        number = _number(session)
        try:
            return self._line.ask(Admit(number, address, limits, now_s), _refusals)
        except TallyLostError:
            self._line.tell(Leave(number))  # it may have been counted, and is turned away
            return BUSY

    @override
    def log_in(self, session: Hashable, account: str, limits: AccountLimits) -> str | None:
        number = _number(session)
        try:
            return self._line.ask(LogIn(number, account, limits), _refusals)
        except TallyLostError:
            self._line.tell(LogOut(number))
            return BUSY

    @override
    def log_out(self, session: Hashable) -> None:
        self._line.tell(LogOut(_number(session)))

    @override
    def leave(self, session: Hashable) -> None:
        self._line.tell(Leave(_number(session)))

    @override
    def is_banned(self, address: str, now_s: float) -> bool:
        try:
            return self._line.ask(IsBanned(address, now_s), _verdicts)
        except TallyLostError as error:
            raise CommandRefusedError(BUSY) from error

    @override
    def failed(self, address: str, limits: Limits, exempt: tuple[str, ...], now_s: float) -> bool:
        try:
            return self._line.ask(Failed(address, limits, exempt, now_s), _verdicts)
        except TallyLostError:
            return False  # nobody logs in either while the line is lost

    @override
    def moved(self, login: Candidate, direction: Direction, moved_bytes: int, now_s: float) -> float:
        bytes_per_s = rate(login.account.limits, direction)
        if bytes_per_s is None:
            return 0.0
        try:
            return self._line.ask(Moved(login.name, direction, bytes_per_s, moved_bytes, now_s), _pauses)
        except TallyLostError:
            return _PAUSE_WHEN_LOST_S


def _number(session: Hashable) -> int:
    assert isinstance(session, int), "a worker's sessions have numbers"
    return session
