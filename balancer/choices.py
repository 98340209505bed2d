"""The choices of nodes that were made of late, each with its reasons, for operators who ask why."""

from collections import deque
from typing import Final

import msgspec

_KEPT: Final = 200


class MadeChoice(msgspec.Struct, frozen=True, kw_only=True):
    """At `at_s` (Unix time) a session got `node` (empty: none); of each node that was looked at, why."""

    at_s: float
    session: str
    service: str
    account: str
    client: str
    node: str
    verdicts: dict[str, str]


class MadeChoices(msgspec.Struct, frozen=True, kw_only=True):
    """The newest come last."""

    choices: tuple[MadeChoice, ...] = ()


class Choices:
    """A bounded memory of choices. Used by one thread."""

    def __init__(self) -> None:
        self._made: deque[MadeChoice] = deque(maxlen=_KEPT)

    def note(self, choice: MadeChoice) -> None:
        """Remember a choice; the oldest makes room."""
        self._made.append(choice)

    def document(self) -> MadeChoices:
        """For GET /choices."""
        return MadeChoices(choices=tuple(self._made))
