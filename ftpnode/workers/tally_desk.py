"""Answers a worker's questions from the node's tally; runs in the supervisor."""

from collections.abc import Hashable
from typing import Final

import msgspec

from ftpnode.tally import NodeTally
from ftpnode.workers.questions import Admit, Failed, IsBanned, Leave, LogIn, LogOut, Moved, Question

_questions: Final[msgspec.msgpack.Decoder[Question]] = msgspec.msgpack.Decoder(Question)
_encode: Final = msgspec.msgpack.Encoder().encode


class TallyDesk:
    """Where one worker asks; its sessions are told from the others' by its number."""

    def __init__(self, tally: NodeTally, worker: int) -> None:
        self._tally = tally
        self._worker = worker

    def take(self, message: bytes) -> bytes | None:
        """The answer to one message, None where none is due; msgspec.MsgspecError when it is no question."""
        tally = self._tally
        match _questions.decode(message):
            case Admit(session, address, limits, now_s):
                return _encode(tally.admit(self._key(session), address, limits, now_s))
            case LogIn(session, account, own_limits):
                return _encode(tally.log_in(self._key(session), account, own_limits))
            case LogOut(session):
                tally.log_out(self._key(session))
            case Leave(session):
                tally.leave(self._key(session))
            case IsBanned(address, now_s):
                return _encode(tally.is_banned(address, now_s))
            case Failed(address, limits, exempt, now_s):
                return _encode(tally.failed(address, limits, exempt, now_s))
            case Moved(account, direction, bytes_per_s, moved_bytes, now_s):
                return _encode(tally.paced(account, direction, bytes_per_s, moved_bytes, now_s))
        return None

    def close(self) -> int:
        """The worker is gone: its sessions count no more; returns how many there were."""
        return self._tally.forget(lambda session: isinstance(session, tuple) and session[0] == self._worker)

    def _key(self, session: int) -> Hashable:
        return self._worker, session
